// See datapath.h.

#include "datapath.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <variant>

#include "hash.h"

namespace vswitch {

Work& Work::operator+=(const Work& other) {
  exact_hits += other.exact_hits;
  megaflow_hits += other.megaflow_hits;
  misses += other.misses;
  megaflows_refused += other.megaflows_refused;
  recirculations += other.recirculations;
  return *this;
}

// Passes frames, and knows what to count of each when it is through.
class Datapath::Passage {
 public:
  Passage(Datapath& datapath, Sink& sink)
      : datapath_(datapath), sink_(sink), pin_(datapath.megaflows_) {}

  void Process(std::span<const Arrival> arrivals) {
    for (std::size_t begin = 0; begin < arrivals.size(); begin += kGroup) {
      const std::size_t size = std::min(kGroup, arrivals.size() - begin);
      Read(arrivals.subspan(begin, size));
      for (std::size_t i = 0; i < size; ++i) {
        sink_.Begin(begin + i);
        ProcessOne(packets_[i], hashes_[i]);
      }
    }
  }

 private:
  // So many frames are read before the first of them is looked up: what each will need, one step
  // behind the other, is fetched while the others are read.
  static constexpr std::size_t kGroup = 32;

  // What of a frame is read, more often than not.
  static constexpr std::size_t kHeadBytes = 64;

  struct Hit {
    Handle handle;
    double used_before_s;
    std::size_t bytes;
  };

  void Read(std::span<const Arrival> arrivals) {
    for (const Arrival& arrival : arrivals) {
      __builtin_prefetch(arrival.frame.data());
      __builtin_prefetch(arrival.frame.data() + kHeadBytes);
    }
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
      const Arrival& arrival = arrivals[i];
      packets_[i].Receive(arrival.frame, arrival.in_port, arrival.tun_id, arrival.recirc_id);
      hashes_[i] = HashOf(packets_[i].key());
      datapath_.exact_.Prefetch(hashes_[i]);
    }
    if (arrivals.size() > 1) {
      std::array<Handle, kGroup> guesses;
      std::array<Word, kGroup> first_hashes;
      for (std::size_t i = 0; i < arrivals.size(); ++i) {
        guesses[i] = datapath_.exact_.Guess(hashes_[i]);
        if (guesses[i].slot == SlotTable::kNone) {
          first_hashes[i] = datapath_.megaflows_.PrefetchFirstMask(packets_[i].key());
        }
      }
      for (std::size_t i = 0; i < arrivals.size(); ++i) {
        if (guesses[i].slot == SlotTable::kNone) {
          guesses[i] = datapath_.megaflows_.Guess(first_hashes[i]);
        }
        datapath_.megaflows_.Prefetch(guesses[i]);
      }
      for (std::size_t i = 0; i < arrivals.size(); ++i) {
        datapath_.megaflows_.PrefetchActions(guesses[i]);
      }
    }
  }

  void ProcessOne(Packet& packet, Word hash) {
    hits_.clear();
    sent_.clear();
    drops_.clear();
    work_ = {};
    const auto in_port = static_cast<std::uint32_t>(packet.Metadata(place::kInPort));
    const std::size_t bytes = packet.bytes().size();
    try {
      if (bytes < kEthernetBytes) {
        Drop(kRunt);
      } else {
        Pass(packet, hash, 0);
      }
    } catch (...) {
      TakeBackHits();
      throw;
    }
    if (Port* const port = datapath_.ports_.Find(in_port); port != nullptr) {
      ++port->rx_packets;
      port->rx_bytes += bytes;
    }
    for (const auto& [number, bytes_sent] : sent_) {
      if (Port* const port = datapath_.ports_.Find(number); port != nullptr) {
        ++port->tx_packets;
        port->tx_bytes += bytes_sent;
      }
    }
    for (const Reason reason : drops_) {
      datapath_.reasons_.CountDrop(reason);
    }
    datapath_.work_ += work_;
  }

  // Looks a packet up and does what is found.
  void Pass(Packet& packet, Word hash, int depth) {
    Megaflow* megaflow = datapath_.exact_.Find(datapath_.megaflows_, packet.key(), hash);
    if (megaflow != nullptr) {
      ++work_.exact_hits;
    } else {
      megaflow = datapath_.megaflows_.Find(packet.key());
      if (megaflow == nullptr) {
        PassUnknown(packet, hash, depth);
        return;
      }
      ++work_.megaflow_hits;
      datapath_.exact_.Insert(datapath_.megaflows_, packet.key(), hash, megaflow->handle);
    }
    Count(*megaflow, packet);
    Do(megaflow->actions, packet, depth);
  }

  void PassUnknown(Packet& packet, Word hash, int depth) {
    ++work_.misses;
    const FlowKey key = packet.key();
    const MegaflowNumber number = datapath_.next_number_++;
    Translation translation = datapath_.slow_path_.Translate(number, key, packet.bytes());
    if (translation.keep && datapath_.megaflows_.is_full()) {
      ++work_.megaflows_refused;
      translation.keep = false;
    }
    if (!translation.keep) {
      Do(translation.actions, packet, depth);
      return;
    }
    Megaflow& megaflow =
        datapath_.megaflows_.Add(number, key, translation.mask, std::move(translation.actions));
    datapath_.exact_.Insert(datapath_.megaflows_, key, hash, megaflow.handle);
    Count(megaflow, packet);
    Do(megaflow.actions, packet, depth);
  }

  void Count(Megaflow& megaflow, const Packet& packet) {
    const std::size_t bytes = packet.bytes().size();
    hits_.push_back({megaflow.handle, megaflow.counts.used_s, bytes});
    ++megaflow.counts.n_packets;
    megaflow.counts.n_bytes += bytes;
    megaflow.counts.used_s = datapath_.now_s_;
  }

  void TakeBackHits() {
    for (auto hit = hits_.rbegin(); hit != hits_.rend(); ++hit) {
      if (Megaflow* const megaflow = datapath_.megaflows_.At(hit->handle); megaflow != nullptr) {
        --megaflow->counts.n_packets;
        megaflow->counts.n_bytes -= hit->bytes;
        megaflow->counts.used_s = hit->used_before_s;
      }
    }
  }

  void Drop(Reason reason) {
    drops_.push_back(reason);
    sink_.Drop(reason);
  }

  void Output(std::uint32_t port, const Packet& packet) {
    if (datapath_.ports_.Find(port) == nullptr) {
      Drop(kNoSuchPort);
      return;
    }
    sent_.emplace_back(port, packet.bytes().size());
    sink_.Output(port, packet.Metadata(place::kTunId), packet);
  }

  void Recirculate(std::uint32_t recirc_id, Packet& packet, int depth) {
    if (depth >= kDepthMax || work_.recirculations >= kPassesMax) {
      Drop(kRecirculationLimit);
      return;
    }
    ++work_.recirculations;
    packet.SetMetadata(place::kRecircId, recirc_id);
    Pass(packet, HashOf(packet.key()), depth + 1);
  }

  // Does actions to a packet. They stay where they are, whatever becomes of their megaflow.
  void Do(const Actions& actions, Packet& packet, int depth) {
    for (const Action& action : std::span(actions)) {
      if (!std::visit([&](const auto& what) { return DoOne(what, packet, depth); }, action.what)) {
        return;
      }
    }
  }

  // Does one action; false if it ends the list.
  bool DoOne(const std::unique_ptr<const RewriteAction>& action, Packet& packet, int) {
    packet.Rewrite(*action);
    return true;
  }
  bool DoOne(const SetMetadataAction& action, Packet& packet, int) {
    packet.SetMetadata(action);
    return true;
  }
  bool DoOne(const PushTagAction& action, Packet& packet, int) {
    packet.PushTag(action);
    return true;
  }
  bool DoOne(const PopTagAction&, Packet& packet, int) {
    packet.PopTag();
    return true;
  }
  bool DoOne(const OutputAction& action, Packet& packet, int) {
    Output(action.port, packet);
    return true;
  }
  bool DoOne(const CloneAction& action, Packet& packet, int depth) {
    Packet copy = packet;
    Do(action.actions, copy, depth);
    return true;
  }
  bool DoOne(const MeterAction& action, Packet& packet, int) {
    if (!datapath_.meters_.Passes(action.meter, packet.bytes().size(), datapath_.now_)) {
      Drop(kMeter);
      return false;
    }
    return true;
  }
  bool DoOne(const std::unique_ptr<const ConnectionAction>& action, Packet& packet, int) {
    datapath_.connections_.Track(packet, action->request, datapath_.now_);
    return true;
  }
  bool DoOne(const ForgetConnectionAction&, Packet& packet, int) {
    Connections::Forget(packet);
    return true;
  }
  bool DoOne(const RecirculateAction& action, Packet& packet, int depth) {
    Recirculate(action.recirc_id, packet, depth);
    return false;
  }
  bool DoOne(const ControllerAction& action, Packet& packet, int) {
    sink_.Controller(action, packet);
    return true;
  }
  bool DoOne(const DropAction& action, Packet&, int) {
    Drop(action.reason);
    return true;
  }

  Datapath& datapath_;
  Sink& sink_;
  const Megaflows::Pin pin_;
  std::array<Packet, kGroup> packets_;
  std::array<Word, kGroup> hashes_;
  // Of the frame at hand.
  std::vector<Hit> hits_;
  std::vector<std::pair<std::uint32_t, std::size_t>> sent_;
  std::vector<Reason> drops_;
  Work work_;
};

void Datapath::Process(std::span<const Arrival> arrivals, Sink& sink) {
  Passage(*this, sink).Process(arrivals);
}

void Datapath::SetTime(double now_s) {
  now_s_ = now_s;
  now_ = std::llround(now_s * 1e9);
}

std::vector<MegaflowRecord> Datapath::Expire(double idle_s) {
  connections_.Expire(now_);
  return megaflows_.RemoveIdle(now_s_ - idle_s);
}

}  // namespace vswitch
