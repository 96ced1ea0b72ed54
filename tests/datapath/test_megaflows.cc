// Megaflows, the exact-match cache and meters, against maps and lists.

#include <map>
#include <vector>

#include "random_frames.h"
#include "tests/core/check.h"
#include "vswitch_sim/datapath/core/exact_cache.h"
#include "vswitch_sim/datapath/core/hash.h"
#include "vswitch_sim/datapath/core/megaflows.h"
#include "vswitch_sim/datapath/core/meters.h"
#include "vswitch_sim/datapath/core/slot_table.h"

namespace vswitch {
namespace {

using test::Below;
using test::Random;

FlowKey KeyOf(Word first, Word last) {
  FlowKey key;
  key.words[0] = first;
  key.words[kKeyWords - 1] = last;
  return key;
}

bool Agree(const FlowKey& left, const FlowKey& right, const FlowKey& mask) {
  for (std::size_t word = 0; word < kKeyWords; ++word) {
    if (((left.words[word] ^ right.words[word]) & mask.words[word]) != 0) {
      return false;
    }
  }
  return true;
}

TEST(SlotTablesAgreeWithAMap) {
  Random random(1);
  SlotTable table;
  std::map<std::uint32_t, Word> expected;
  for (int i = 0; i < 20000; ++i) {
    const auto slot = static_cast<std::uint32_t>(Below(random, 60));
    if (const auto found = expected.find(slot); found != expected.end()) {
      table.Erase(found->second, slot);
      expected.erase(found);
    } else {
      // Few homes, so that places collide and wrap.
      const Word hash = Below(random, 5) | Below(random, 3) << 40;
      table.Insert(hash, slot);
      expected[slot] = hash;
    }
    CHECK(table.size() == expected.size());
    const auto wanted = static_cast<std::uint32_t>(Below(random, 60));
    const auto found = expected.find(wanted);
    const Word hash = found != expected.end() ? found->second : Below(random, 5);
    const bool is_there =
        table.Find(hash, [&](std::uint32_t other) { return other == wanted; }) == wanted;
    CHECK(is_there == (found != expected.end()));
  }
}

// One mask a value of the key's first word: so megaflows are disjoint.
TEST(MegaflowsAgreeWithAList) {
  struct Expected {
    FlowKey key;
    FlowKey mask;
    double used_s;
  };
  Random random(2);
  Megaflows megaflows(30);
  ExactCache exact(8);
  std::map<MegaflowNumber, Expected> expected;
  for (MegaflowNumber now = 1; now < 30000; ++now) {
    const Word kind = Below(random, 4);
    const FlowKey key = KeyOf(kind, Below(random, 64));
    const FlowKey mask = KeyOf(~Word{0}, 0x3F & ~kind);
    const auto covers = [&](const auto& entry) {
      return Agree(entry.second.key, key, entry.second.mask);
    };
    const auto known = std::find_if(expected.begin(), expected.end(), covers);
    Megaflow* found = exact.Find(megaflows, key, HashOf(key));
    CHECK(found == nullptr || (known != expected.end() && found->number == known->first));
    if (found == nullptr) {
      found = megaflows.Find(key);
    }
    CHECK((found != nullptr) == (known != expected.end()));
    CHECK((megaflows.Peek(key) != nullptr) == (found != nullptr));
    if (found != nullptr) {
      CHECK(found->number == known->first);
      known->second.used_s = found->counts.used_s = static_cast<double>(now);
      exact.Insert(megaflows, key, HashOf(key), found->handle);
    } else if (!megaflows.is_full()) {
      megaflows.Add(now, key, mask, {}).counts.used_s = static_cast<double>(now);
      expected[now] = {key, mask, static_cast<double>(now)};
    }
    if (Below(random, 20) == 0 && !expected.empty()) {
      const MegaflowNumber number =
          std::next(expected.begin(), static_cast<std::ptrdiff_t>(Below(random, expected.size())))
              ->first;
      CHECK(megaflows.Remove(number)->number == number && !megaflows.Remove(number));
      expected.erase(number);
    }
    if (Below(random, 50) == 0) {
      const auto since = static_cast<double>(now) - 60;
      const auto gone = megaflows.RemoveIdle(since);
      const auto n_gone =
          std::erase_if(expected, [&](const auto& entry) { return entry.second.used_s <= since; });
      CHECK(gone.size() == n_gone);
    }
    CHECK(megaflows.size() == expected.size() && megaflows.size() <= 30);
  }
  CHECK(megaflows.Records().size() == expected.size());
}

TEST(AMegaflowTakesThePlaceOfItsLike) {
  Megaflows megaflows(10);
  const FlowKey mask = KeyOf(0xF, 0);
  const Handle first = megaflows.Add(1, KeyOf(0x15, 7), mask, {}).handle;
  megaflows.Add(2, KeyOf(0x25, 8), mask, {});
  CHECK(megaflows.size() == 1 && megaflows.mask_count() == 1);
  CHECK(megaflows.At(first) == nullptr && !megaflows.Remove(1));
  CHECK(megaflows.Find(KeyOf(0x35, 9))->number == 2);
  CHECK(megaflows.Remove(2)->key == KeyOf(0x5, 0) && megaflows.mask_count() == 0);
}

TEST(ActionsOutliveTheirMegaflowWhilePacketsAreOnTheirWay) {
  Megaflows megaflows(10);
  Actions actions;
  actions.push_back({OutputAction{7}});
  const Actions& kept = megaflows.Add(1, {}, {}, std::move(actions)).actions;
  const Action* const action = kept.data();
  {
    const Megaflows::Pin pin(megaflows);
    megaflows.Remove(1);
    megaflows.Add(2, {}, {}, {});
    CHECK(std::get<OutputAction>(action->what).port == 7);
  }
}

// Packets in a second, each way of asking: as a bucket that is filled a nanosecond at a time.
TEST(MetersLetThroughTheirRate) {
  Meters meters;
  meters.Set(1, MeterUnit::kPackets, 100, 10, 0);
  meters.Set(2, MeterUnit::kKilobits, 1000, 12, 0);
  int n_packets = 0;
  std::size_t n_bytes = 0;
  for (Nanoseconds now = 0; now < 1'000'000'000; now += 1'234'567) {
    n_packets += meters.Passes(1, 1000, now) ? 1 : 0;
    n_bytes += meters.Passes(2, 1000, now) ? 1000 : 0;
  }
  CHECK(n_packets == 110 || n_packets == 109);
  CHECK(n_bytes >= (1'000'000 + 12'000) / 8 - 1000 && n_bytes <= (1'000'000 + 12'000) / 8);
  CHECK(meters.Passes(3, 1, 0));
  meters.Set(1, MeterUnit::kPackets, 4'000'000'000, 4'000'000'000, 0);
  CHECK(meters.Passes(1, 1, 9'000'000'000'000'000'000));
}

}  // namespace
}  // namespace vswitch
