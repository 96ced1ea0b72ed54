// Reading and writing of frames: any bytes, and what holds whatever they are. The sanitizers see
// whether a byte is read that is not there.

#include <memory>

#include "random_frames.h"
#include "tests/core/check.h"
#include "vswitch_sim/datapath/core/packet.h"
#include "vswitch_sim/datapath/core/rewrite.h"

namespace vswitch {
namespace {

using test::Below;
using test::Frame;
using test::Random;

FlowKey RandomBits(Random& random) {
  FlowKey bits;
  for (Word& word : bits.words) {
    word = Below(random, 2) == 0 ? random() : 0;
  }
  return bits;
}

// A copy with nothing behind it, so that a byte too far is not the vector's.
struct Exact {
  explicit Exact(const Frame& frame) : bytes(new std::uint8_t[frame.size()]), size(frame.size()) {
    std::copy(frame.begin(), frame.end(), bytes.get());
  }
  Bytes view() const { return {bytes.get(), size}; }
  std::unique_ptr<std::uint8_t[]> bytes;
  std::size_t size;
};

TEST(AnyBytesAreRead) {
  Random random(1);
  for (int i = 0; i < 200000; ++i) {
    const Exact frame(test::DamagedFrame(random));
    FlowKey key;
    Headers headers;
    CHECK(Parse(frame.view(), key, headers) == (frame.size >= kEthernetBytes));
    CHECK(headers.end <= frame.size && headers.l4 <= frame.size);
  }
}

TEST(MetadataStayAsTheyAre) {
  Random random(2);
  for (int i = 0; i < 2000; ++i) {
    const Frame frame = test::DamagedFrame(random);
    FlowKey key = RandomBits(random);
    FlowKey clear;
    const FlowKey before = key;
    Headers headers;
    Parse(frame, key, headers);
    Parse(frame, clear, headers);
    for (std::size_t word = 0; word < kKeyWords; ++word) {
      const Word metadata = kMetadata.words[word];
      CHECK(key.words[word] == (before.words[word] & metadata) + clear.words[word]);
    }
  }
}

// What was written is read, and nothing else changed in the key.
TEST(WhatIsWrittenIsRead) {
  Random random(3);
  for (int i = 0; i < 50000; ++i) {
    const Exact frame(test::DamagedFrame(random));
    const FlowKey value = RandomBits(random);
    FlowKey mask = RandomBits(random);
    for (std::size_t word = 0; word < kKeyWords; ++word) {
      mask.words[word] &= RewritableBits().words[word];
    }
    // Types, codes and operations decide what else is read.
    Set(mask, place::kTpSrc, 0);
    Set(mask, place::kTpDst, 0);
    Set(mask, place::kArpOp, 0);
    FlowKey before, after;
    Headers headers, headers_after;
    Parse(frame.view(), before, headers);
    Rewrite({frame.bytes.get(), frame.size}, headers, value, mask);
    Parse(frame.view(), after, headers_after);
    for (std::size_t word = 0; word < kKeyWords; ++word) {
      const Word changed = before.words[word] ^ after.words[word];
      CHECK((changed & ~mask.words[word]) == 0);
      CHECK((changed & ~(before.words[word] ^ value.words[word])) == 0);
    }
    Rewrite({frame.bytes.get(), frame.size}, headers, before, mask);
    Parse(frame.view(), after, headers_after);
    CHECK(after == before);
  }
}

TEST(TagsGoAsTheyCame) {
  Random random(4);
  for (int i = 0; i < 20000; ++i) {
    const Frame frame = test::DamagedFrame(random);
    if (frame.size() < kEthernetBytes) {
      continue;
    }
    Frame tagged = frame;
    PushTag(tagged, kEthTypeVlan, 0xF005);
    FlowKey key;
    Headers headers;
    Parse(tagged, key, headers);
    CHECK(Get(key, place::kVlanVid) == 0x1005 && Get(key, place::kVlanPcp) == 7);
    PopTag(tagged);
    CHECK(tagged == frame);
  }
}

TEST(ACopyOfAPacketIsItsOwn) {
  const Frame frame(60, 1);
  Packet packet;
  packet.Receive(frame, 1, 2);
  Packet copy = packet;
  copy.PushTag({kEthTypeVlan, 5});
  Packet second = copy;
  second.PopTag();
  CHECK(packet.is_as_received() && packet.bytes().data() == frame.data());
  CHECK(copy.bytes().size() == 64 && second.bytes().size() == 60);
  CHECK(Get(copy.key(), place::kVlanVid) == 0x1005 && Get(second.key(), place::kVlanVid) == 0);
  CHECK(Get(copy.key(), place::kTunId) == 2);
}

}  // namespace
}  // namespace vswitch
