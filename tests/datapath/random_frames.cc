// See random_frames.h.

#include "random_frames.h"

#include <algorithm>

#include "vswitch_sim/datapath/core/checksum.h"
#include "vswitch_sim/datapath/core/parse.h"

namespace vswitch::test {
namespace {

// Writes a frame from its front to its back.
class Builder {
 public:
  Builder(Random& random, bool has_checksums) : random_(random), has_checksums_(has_checksums) {}

  Frame Build() {
    Put(2, 0x0A00);
    Put(4, Below(random_, 2));
    Put(2, 0x0A00);
    Put(4, Below(random_, 2));
    for (std::size_t tags = Below(random_, 4); tags > 2; --tags) {
      Put(2, Below(random_, 2) == 0 ? kEthTypeVlan : kEthTypeProviderVlan);
      Put(2, random_() & 0xFFFF);
    }
    switch (Below(random_, 8)) {
      case 0:
        PutArp();
        break;
      case 1:
        Put(2, random_() & 0xFFFF);
        PutRandom(Below(random_, 40));
        break;
      case 2:
      case 3:
      case 4:
        Put(2, kEthTypeIpv4);
        PutIpv4(0);
        break;
      default:
        Put(2, kEthTypeIpv6);
        PutIpv6(0);
        break;
    }
    return frame_;
  }

 private:
  void Put(std::size_t bytes, std::uint64_t value) {
    for (std::size_t i = bytes; i > 0; --i) {
      frame_.push_back(static_cast<std::uint8_t>(value >> 8 * (i - 1)));
    }
  }
  void PutRandom(std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      Put(1, random_() & 0xFF);
    }
  }

  void PutArp() {
    Put(2, kEthTypeArp);
    Put(6, 0x000108000604);
    Put(2, Below(random_, 3));
    PutRandom(20);
  }

  void PutIpv4(int depth) {
    const std::size_t ip = frame_.size();
    const std::size_t options = Below(random_, 4) == 0 ? Below(random_, 11) : 0;
    const std::size_t flags = Below(random_, 6) == 0 ? random_() & 0x2001 : 0;
    proto_ = Proto();
    Put(1, 0x45 + options);
    Put(3, 0);
    Put(2, random_() & 1);
    Put(2, flags);
    Put(2, 0x4000u + proto_);
    Put(2, 0);
    Put(4, 0x0A000001 + Below(random_, 3));
    Put(4, 0x0A000001 + Below(random_, 3));
    PutRandom(options * 4);
    const std::size_t l4 = frame_.size();
    PutL4(depth);
    Store16(frame_.data() + ip + 2, static_cast<std::uint16_t>(frame_.size() - ip));
    if (has_checksums_) {
      Mend(ip + 10, 0, ip, l4);
      MendL4(SumOf(Bytes(frame_).subspan(ip + 12, 8)), l4, false);
    }
  }

  void PutIpv6(int depth) {
    const std::size_t ip = frame_.size();
    Put(4, 0x60000000 | (random_() & 0x0FFFFFFF));
    Put(4, 0);
    for (int address = 0; address < 2; ++address) {
      Put(8, 0xFD00000000000000);
      Put(8, 1 + Below(random_, 3));
    }
    std::size_t kind_at = ip + 6;
    for (std::size_t left = Below(random_, 4); left > 2; --left) {
      static constexpr std::uint8_t kKinds[] = {0, 43, 44, 51, 60};
      const std::uint8_t kind = kKinds[Below(random_, 5)];
      frame_[kind_at] = kind;
      kind_at = frame_.size();
      Put(2, kind == 51 ? 1 : 0);
      Put(2, kind == 44 ? random_() & 0x0009 : random_() & 1);
      Put(4, random_() & 1);
      Put(kind == 51 ? 4 : 0, 0);
    }
    proto_ = Proto();
    frame_[kind_at] = proto_;
    frame_[ip + 7] = 64;
    const std::size_t l4 = frame_.size();
    PutL4(depth);
    Store16(frame_.data() + ip + 4, static_cast<std::uint16_t>(frame_.size() - ip - 40));
    if (has_checksums_) {
      MendL4(SumOf(Bytes(frame_).subspan(ip + 8, 32)), l4, true);
    }
  }

  std::uint8_t Proto() {
    static constexpr std::uint8_t kProtos[] = {kProtoTcp,    kProtoTcp,    kProtoUdp,
                                               kProtoIcmpv4, kProtoIcmpv6, 89};
    return kProtos[Below(random_, 6)];
  }

  void PutL4(int depth) {
    const std::uint8_t proto = proto_;
    if (proto == kProtoTcp) {
      Put(2, 1 + Below(random_, 3));
      Put(2, 1 + Below(random_, 3));
      PutRandom(8);
      const std::size_t options = Below(random_, 3) == 0 ? Below(random_, 11) : 0;
      Put(1, 0x50 + options * 16);
      Put(1, random_() & 0x17);
      Put(2, 1000);
      Put(4, 0);
      PutRandom(options * 4);
    } else if (proto == kProtoUdp) {
      Put(2, 1 + Below(random_, 3));
      Put(2, 1 + Below(random_, 3));
      Put(2, 8);
      Put(2, 0);
    } else if (proto == kProtoIcmpv4 || proto == kProtoIcmpv6) {
      PutIcmp(proto, depth);
    }
    if (proto != kProtoUdp) {
      PutRandom(Below(random_, 20));
    }
    proto_ = proto;
  }

  void PutIcmp(std::uint8_t proto, int depth) {
    static constexpr std::uint8_t kTypes4[] = {0, 8, 13, 14, 3, 11, 5};
    static constexpr std::uint8_t kTypes6[] = {128, 129, 135, 136, 1, 3, 2};
    const std::size_t which = Below(random_, 7);
    Put(1, proto == kProtoIcmpv4 ? kTypes4[which] : kTypes6[which]);
    Put(3, 0);
    Put(4, 1 + Below(random_, 3));
    if (which >= 4 && depth == 0) {
      const bool has_checksums = has_checksums_;
      has_checksums_ = false;
      proto == kProtoIcmpv4 ? PutIpv4(1) : PutIpv6(1);
      has_checksums_ = has_checksums;
    } else if (proto == kProtoIcmpv6 && (which == 2 || which == 3)) {
      PutRandom(16);
      for (std::size_t left = Below(random_, 3); left > 0; --left) {
        Put(2, (1 + Below(random_, 3)) << 8 | 1);
        PutRandom(6);
      }
    }
  }

  // Sets the checksum at `at` of a sum and the bytes from `begin` to `end`.
  void Mend(std::size_t at, Sum sum, std::size_t begin, std::size_t end) {
    Store16(frame_.data() + at, 0);
    sum += SumOf(Bytes(frame_).subspan(begin, end - begin));
    Store16(frame_.data() + at, static_cast<std::uint16_t>(~Fold(sum)));
  }

  void MendL4(Sum addresses, std::size_t l4, bool is_ipv6) {
    const std::size_t size = frame_.size() - l4;
    const Sum pseudo = addresses + proto_ + size;
    if (proto_ == kProtoTcp && size >= 20) {
      Mend(l4 + 16, pseudo, l4, frame_.size());
    } else if (proto_ == kProtoUdp && size >= 8 && Below(random_, 3) > 0) {
      Mend(l4 + 6, pseudo, l4, frame_.size());
    } else if (proto_ == kProtoIcmpv4 && size >= 8) {
      Mend(l4 + 2, 0, l4, frame_.size());
    } else if (proto_ == kProtoIcmpv6 && size >= 8) {
      Mend(l4 + 2, is_ipv6 ? pseudo : 0, l4, frame_.size());
    }
  }

  Random& random_;
  bool has_checksums_;
  std::uint8_t proto_ = 0;
  Frame frame_;
};

}  // namespace

std::size_t Below(Random& random, std::size_t count) { return random() % count; }

Frame RandomFrame(Random& random, bool has_checksums) {
  return Builder(random, has_checksums).Build();
}

Frame DamagedFrame(Random& random) {
  Frame frame = RandomFrame(random, Below(random, 2) == 0);
  for (std::size_t left = Below(random, 4); left > 0; --left) {
    const std::size_t at = Below(random, std::min<std::size_t>(frame.size(), 120) + 1);
    switch (Below(random, 4)) {
      case 0:
        frame.resize(at);
        break;
      case 1:
        if (at < frame.size()) {
          frame[at] = static_cast<std::uint8_t>(random());
        }
        break;
      case 2:
        frame.resize(frame.size() + Below(random, 40), static_cast<std::uint8_t>(random()));
        break;
      case 3: {
        const Frame part(frame.begin() + static_cast<std::ptrdiff_t>(at), frame.end());
        frame.insert(frame.end(), part.begin(), part.end());
        break;
      }
    }
  }
  return frame;
}

}  // namespace vswitch::test
