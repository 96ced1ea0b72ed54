// See random_datapath.h.

#include "random_datapath.h"

#include <memory>

#include "vswitch_sim/datapath/core/hash.h"
#include "vswitch_sim/datapath/core/rewrite.h"

namespace vswitch::test {

namespace {

// A request of connection tracking, in one of a few zones.
ConnectionRequest RandomRequest(Random& random) {
  ConnectionRequest request;
  request.zone = static_cast<std::uint16_t>(Below(random, 2));
  request.commits = Below(random, 2) == 0;
  request.forces = request.commits && Below(random, 10) == 0;
  request.mark = request.mark_mask = static_cast<std::uint32_t>(Below(random, 4));
  if (Below(random, 2) == 0) {
    request.nat.emplace();
    if (request.commits) {
      request.nat->kind =
          Below(random, 2) == 0 ? NatRequest::Kind::kSource : NatRequest::Kind::kDestination;
      request.nat->addresses = AddressRange{{0, 0x0A000001}, {0, 0x0A000002}, false};
      if (Below(random, 2) == 0) {
        request.nat->ports = PortRange{1, static_cast<std::uint16_t>(1 + Below(random, 3))};
      }
    }
  }
  return request;
}

}  // namespace

RandomSwitch::RandomSwitch(std::uint64_t seed)
    : random_(seed), datapath_(*this, {Below(random_, 40), Below(random_, 100), 16}) {
  for (std::uint32_t port = 0; port < 4; ++port) {
    datapath_.ports().Add(port);
  }
  datapath_.SetMeter(1, MeterUnit::kPackets, 10, 5);
}

void RandomSwitch::Step() {
  nested_left_ = 3;
  try {
    ProcessSome(1 + Below(random_, 40));
  } catch (const Refusal&) {
  }
  now_s_ += static_cast<double>(Below(random_, 1000)) / 100;
  datapath_.SetTime(now_s_);
  switch (Below(random_, 10)) {
    case 0:
      datapath_.Expire(static_cast<double>(Below(random_, 20)));
      break;
    case 1:
      datapath_.ports().Remove(static_cast<std::uint32_t>(Below(random_, 5)));
      break;
    case 2:
      datapath_.ports().Add(static_cast<std::uint32_t>(Below(random_, 5)));
      break;
    default:
      break;
  }
}

void RandomSwitch::ProcessSome(std::size_t count) {
  std::vector<std::unique_ptr<std::uint8_t[]>> owned;
  std::vector<Arrival> arrivals;
  for (std::size_t i = 0; i < count; ++i) {
    // Frames end where their memory does, so that a byte too far is seen.
    const Frame frame = Below(random_, 3) == 0 ? DamagedFrame(random_) : RandomFrame(random_, true);
    owned.push_back(std::make_unique<std::uint8_t[]>(frame.size()));
    std::copy(frame.begin(), frame.end(), owned.back().get());
    arrivals.push_back({static_cast<std::uint32_t>(Below(random_, 4)),
                        Below(random_, 2),
                        {owned.back().get(), frame.size()}});
  }
  n_received_ += count;
  datapath_.Process(arrivals, *this);
}

void RandomSwitch::Output(std::uint32_t, Word, const Packet& packet) {
  ++n_sent_;
  // Reads every byte.
  std::uint8_t sum = 0;
  for (const std::uint8_t byte : packet.bytes()) {
    sum = static_cast<std::uint8_t>(sum + byte);
  }
  if (is_steady_) {
    sent_.emplace_back(packet.bytes().begin(), packet.bytes().end());
    sent_.back().push_back(sum);
  }
}

void RandomSwitch::Controller(const ControllerAction& action, const Packet& packet) {
  Output(0, action.recirc_id, packet);
}

Translation RandomSwitch::Translate(MegaflowNumber, const FlowKey& key, Bytes) {
  if (is_steady_) {
    const Random before = random_;
    random_.seed(HashOf(key));
    Actions actions = RandomActions(0);
    random_ = before;
    FlowKey mask;
    mask.words.fill(~Word{0});
    return {mask, std::move(actions), true};
  }
  if (Below(random_, 10) == 0) {
    for (const MegaflowRecord& record : datapath_.megaflows().Records()) {
      if (Below(random_, 2) == 0) {
        datapath_.megaflows().Remove(record.number);
      }
    }
  }
  if (Below(random_, 20) == 0) {
    datapath_.ports().Remove(static_cast<std::uint32_t>(Below(random_, 5)));
  }
  if (Below(random_, 10) == 0 && nested_left_ > 0) {
    --nested_left_;
    try {
      ProcessSome(3);
    } catch (const Refusal&) {
    }
  }
  if (Below(random_, 30) == 0) {
    throw Refusal();
  }
  return {RandomMask(), RandomActions(0), Below(random_, 8) > 0};
}

FlowKey RandomSwitch::RandomMask() {
  FlowKey mask;
  for (Word& word : mask.words) {
    word = Below(random_, 4) == 0 ? ~Word{0} : 0;
  }
  return mask;
}

Actions RandomSwitch::RandomActions(int depth) {
  Actions actions;
  for (std::size_t left = Below(random_, 5); left > 0; --left) {
    switch (Below(random_, 12)) {
      case 0: {
        RewriteAction rewrite{{}, RandomMask()};
        const FlowKey bits = RewritableBits();
        for (std::size_t word = 0; word < kKeyWords; ++word) {
          rewrite.value.words[word] = random_();
          rewrite.mask.words[word] &= bits.words[word];
        }
        actions.push_back({std::make_unique<const RewriteAction>(rewrite)});
        actions.push_back({SetMetadataAction{1, Below(random_, 3), ~Word{0}}});
        break;
      }
      case 1:
        actions.push_back({PushTagAction{kEthTypeVlan, static_cast<std::uint16_t>(random_())}});
        break;
      case 2:
        actions.push_back({PopTagAction{}});
        break;
      case 3:
        if (depth < 2) {
          actions.push_back({CloneAction{RandomActions(depth + 1)}});
        }
        break;
      case 4:
        actions.push_back({MeterAction{static_cast<std::uint32_t>(Below(random_, 2))}});
        break;
      case 5:
        actions.push_back({RecirculateAction{static_cast<std::uint32_t>(Below(random_, 3))}});
        break;
      case 6:
        actions.push_back({ControllerAction{kRunt, static_cast<std::uint32_t>(Below(random_, 4))}});
        break;
      case 7:
      case 8:
        actions.push_back(
            {std::make_unique<const ConnectionAction>(ConnectionAction{RandomRequest(random_)})});
        actions.push_back({RecirculateAction{static_cast<std::uint32_t>(Below(random_, 3))}});
        break;
      default:
        actions.push_back({OutputAction{static_cast<std::uint32_t>(Below(random_, 5))}});
        break;
    }
  }
  return actions;
}

std::vector<Frame> RandomSwitch::Sent(std::uint64_t seed, std::size_t batch_size) {
  RandomSwitch random_switch(seed);
  random_switch.is_steady_ = true;
  std::vector<Frame> frames;
  for (int i = 0; i < 200; ++i) {
    frames.push_back(DamagedFrame(random_switch.random_));
  }
  std::vector<Arrival> arrivals;
  for (const Frame& frame : frames) {
    arrivals.push_back({1, 0, frame});
  }
  for (std::size_t begin = 0; begin < arrivals.size(); begin += batch_size) {
    const std::size_t size = std::min(batch_size, arrivals.size() - begin);
    random_switch.datapath_.Process({arrivals.data() + begin, size}, random_switch);
  }
  return random_switch.sent_;
}

}  // namespace vswitch::test
