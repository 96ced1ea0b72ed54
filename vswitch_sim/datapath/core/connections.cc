// See connections.h.

#include "connections.h"

#include <algorithm>
#include <utility>

namespace vswitch {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kFragmentLifetime = 30 * kSecond;
constexpr std::size_t kFragmentsMax = 4096;
constexpr Word kCtNat = kCtSourceNat | kCtDestinationNat;

// Open vSwitch's default timeout policy.
Nanoseconds DurationOf(Lifetime lifetime) {
  switch (lifetime) {
    case Lifetime::kTcpFirst:
    case Lifetime::kTcpOpening:
    case Lifetime::kTcpClosed:
    case Lifetime::kOtherBoth:
    case Lifetime::kIcmpAnswered:
      return 30 * kSecond;
    case Lifetime::kTcpEstablished:
      return 24 * 60 * 60 * kSecond;
    case Lifetime::kTcpClosing:
      return 15 * 60 * kSecond;
    case Lifetime::kTcpFinWait:
      return 45 * kSecond;
    case Lifetime::kOtherFirst:
    case Lifetime::kOtherMultiple:
    case Lifetime::kIcmpFirst:
      return 60 * kSecond;
  }
  return 0;
}

bool IsTcp(const Tuple& tuple) { return tuple.proto == kProtoTcp; }

// Whether a connection may begin with a packet.
bool MayBegin(Packet& packet, const Tuple& tuple) {
  if (IsTcp(tuple)) {
    return TcpSegment(packet.bytes(), packet.headers()).may_be_first();
  }
  if (tuple.is_icmp()) {
    const std::uint8_t type = tuple.source.icmp_type;
    return tuple.is_ipv6 ? type == 128 : type == 8 || type == 13 || type == 15;
  }
  return true;
}

// Takes a packet in where no header says more than that it came.
Verdict UpdatePlain(Connection& connection, bool is_reply, std::optional<Lifetime>& lifetime) {
  auto& plain = std::get<PlainTracking>(connection.tracking);
  plain.has_more = true;
  plain.has_reply = plain.has_reply || is_reply;
  if (connection.original.is_icmp()) {
    lifetime = plain.has_reply ? Lifetime::kIcmpAnswered : Lifetime::kIcmpFirst;
  } else {
    lifetime = plain.has_reply ? Lifetime::kOtherBoth : Lifetime::kOtherMultiple;
  }
  return plain.has_reply ? Verdict::kEstablished : Verdict::kNew;
}

Verdict Update(Packet& packet, Connection& connection, bool is_reply, Nanoseconds now) {
  std::optional<Lifetime> lifetime;
  Verdict verdict;
  if (auto* const tcp = std::get_if<TcpTracking>(&connection.tracking); tcp != nullptr) {
    verdict = tcp->Update(TcpSegment(packet.bytes(), packet.headers()), is_reply, lifetime);
  } else {
    verdict = UpdatePlain(connection, is_reply, lifetime);
  }
  if (lifetime) {
    connection.expires = now + DurationOf(*lifetime);
  }
  return verdict;
}

NatRequest::Kind KindFor(const Connection& connection, bool is_reply) {
  if (!is_reply) {
    return connection.nat;
  }
  return connection.nat == NatRequest::Kind::kSource ? NatRequest::Kind::kDestination
                                                     : NatRequest::Kind::kSource;
}

}  // namespace

struct Connections::Passage {
  Packet& packet;
  const ConnectionRequest& request;
  Nanoseconds now;
  Word state;

  // Rewrites the packet as its connection says, unless that was done.
  void Rewrite(const Connection& connection, bool is_reply, const std::optional<Headers>& quoted,
               bool writes_ports) {
    if (connection.nat == NatRequest::Kind::kUndo || (state & kCtNat) != 0) {
      return;
    }
    const NatRequest::Kind kind = KindFor(connection, is_reply);
    state |= kind == NatRequest::Kind::kSource ? kCtSourceNat : kCtDestinationNat;
    const Tuple& seen = is_reply ? connection.original : connection.reply;
    Translate(packet, kind, seen.Reversed(), quoted, writes_ports);
  }
};

void Connections::Track(Packet& packet, const ConnectionRequest& request, Nanoseconds now) {
  Passage passage{packet, request, now, packet.Metadata(place::kCtState)};
  if (TrackRemembered(passage)) {
    return;
  }
  if (packet.Metadata(place::kCtZone) != request.zone) {
    passage.state = 0;
  }
  const std::optional<Tuple> fragment = FragmentTupleOf(packet, request.zone);
  if (fragment && packet.headers().l4 == 0) {
    TrackLaterFragment(passage, *fragment);
    return;
  }
  if (const std::optional<ReadTuple> read = TupleOf(packet, request.zone); read) {
    TrackWhole(passage, *read);
  } else {
    passage.state = kCtInvalid;
    Finish(passage, std::nullopt);
  }
  if (fragment) {
    const Tracked& tracked = packet.tracked();
    RememberFragment(*fragment, {packet.Metadata(place::kCtState) & ~kCtNat, tracked.connection,
                                 tracked.is_reply, now + kFragmentLifetime});
  }
}

// A packet that was tracked in this zone is not taken in twice, but may be rewritten now.
bool Connections::TrackRemembered(Passage& passage) {
  Tracked& tracked = passage.packet.tracked();
  const auto found = by_number_.find(tracked.connection);
  if (found == by_number_.end() || (passage.state & kCtTracked) == 0 || passage.request.forces ||
      found->second->original.zone != passage.request.zone) {
    return false;
  }
  if (passage.request.nat) {
    std::optional<Headers> quoted;
    if (tracked.is_related) {
      quoted = TupleOf(passage.packet, passage.request.zone).value_or(ReadTuple{}).quoted;
    }
    if (!tracked.is_related || quoted) {
      passage.Rewrite(*found->second, tracked.is_reply, quoted, passage.packet.headers().l4 != 0);
    }
  }
  Finish(passage, Found{found->second, tracked.is_reply});
  return true;
}

void Connections::TrackWhole(Passage& passage, const ReadTuple& read) {
  ReadTuple known = read;
  std::optional<Found> found;
  if ((passage.state & kCtNat) == 0) {
    found = Find(read.tuple, passage.now);
  } else if (found = Find(read.tuple.Reversed(), passage.now); found) {
    // It was rewritten here: what it is now, the other end sees, and answers to.
    found->is_reply = !found->is_reply;
    known.tuple = found->is_reply ? found->connection->reply : found->connection->original;
  }
  if (found && passage.request.forces && found->is_reply) {
    Remove(found->connection);
    found.reset();
  }
  if (found) {
    TrackKnown(passage, known, *found);
  } else if (read.quoted) {
    passage.state = kCtInvalid;
    Finish(passage, std::nullopt);
  } else {
    TrackUnknown(passage, known);
  }
}

void Connections::TrackKnown(Passage& passage, const ReadTuple& read, const Found& found) {
  Connection& connection = *found.connection;
  const Word reply = found.is_reply ? kCtReply : 0;
  if (read.quoted) {
    passage.state |= kCtRelated | reply;
  } else {
    switch (Update(passage.packet, connection, found.is_reply, passage.now)) {
      case Verdict::kEstablished:
        passage.state = (passage.state | kCtEstablished | reply) & ~kCtNew;
        connection.has_reply = true;
        break;
      case Verdict::kNew:
        passage.state |= kCtNew;
        break;
      case Verdict::kInvalid:
        passage.state = kCtInvalid;
        break;
      case Verdict::kReborn:
        Remove(found.connection);
        TrackUnknown(passage, read);
        return;
    }
    Touch(found.connection);
  }
  if (passage.request.nat) {
    passage.Rewrite(connection, found.is_reply, read.quoted, true);
  }
  passage.packet.tracked().is_related = read.quoted.has_value();
  Finish(passage, found);
}

void Connections::TrackUnknown(Passage& passage, const ReadTuple& read) {
  if (Find(read.tuple, passage.now)) {
    Finish(passage, std::nullopt);
    return;
  }
  if (!MayBegin(passage.packet, read.tuple)) {
    passage.state = kCtInvalid;
    Finish(passage, std::nullopt);
    return;
  }
  passage.state = kCtNew;
  std::optional<Found> found;
  if (passage.request.commits) {
    if (const auto begun = Commit(passage, read.tuple); begun) {
      found = Found{*begun, false};
      passage.Rewrite(**begun, false, std::nullopt, true);
    }
  }
  passage.packet.tracked().is_related = false;
  Finish(passage, found);
}

void Connections::TrackLaterFragment(Passage& passage, const Tuple& fragment) {
  const auto first = fragments_.find(fragment);
  if (first == fragments_.end() || first->second.expires <= passage.now) {
    passage.state = kCtInvalid;
    Finish(passage, std::nullopt);
    return;
  }
  passage.state = (passage.state & kCtNat) | first->second.state;
  passage.packet.tracked().is_related = false;
  const auto connection = by_number_.find(first->second.connection);
  if (connection == by_number_.end()) {
    Finish(passage, std::nullopt);
    return;
  }
  if (passage.request.nat) {
    passage.Rewrite(*connection->second, first->second.is_reply, std::nullopt, false);
  }
  Finish(passage, Found{connection->second, first->second.is_reply});
}

void Connections::Forget(Packet& packet) {
  packet.SetMetadata(place::kCtState, 0);
  packet.SetMetadata(place::kCtZone, 0);
  packet.SetMetadata(place::kCtMark, 0);
  packet.SetMetadata128(place::kCtLabel, {});
  packet.tracked() = {};
}

void Connections::Finish(Passage& passage, const std::optional<Found>& found) {
  const ConnectionRequest& request = passage.request;
  Packet& packet = passage.packet;
  packet.SetMetadata(place::kCtState, passage.state | kCtTracked);
  packet.SetMetadata(place::kCtZone, request.zone);
  if (!found) {
    packet.SetMetadata(place::kCtMark, 0);
    packet.SetMetadata128(place::kCtLabel, {});
    packet.tracked() = {};
    return;
  }
  Connection& connection = *found->connection;
  if (request.commits) {
    connection.mark = (connection.mark & ~request.mark_mask) | request.mark;
    for (std::size_t word = 0; word < 2; ++word) {
      connection.label[word] =
          (connection.label[word] & ~request.label_mask[word]) | request.label[word];
    }
  }
  packet.SetMetadata(place::kCtMark, connection.mark);
  packet.SetMetadata128(place::kCtLabel, connection.label);
  packet.tracked().connection = connection.number;
  packet.tracked().is_reply = found->is_reply;
}

std::optional<Connections::Found> Connections::Find(const Tuple& tuple, Nanoseconds now) {
  const auto found = by_tuple_.find(tuple);
  if (found == by_tuple_.end()) {
    return std::nullopt;
  }
  if (found->second.connection->expires <= now) {
    Remove(found->second.connection);
    return std::nullopt;
  }
  return found->second;
}

std::optional<Connections::List::iterator> Connections::Commit(Passage& passage,
                                                               const Tuple& original) {
  if (!MakeRoom(passage.now)) {
    ++work_.refused;
    return std::nullopt;
  }
  Connection connection;
  connection.number = next_number_++;
  connection.original = original;
  connection.reply = original.Reversed();
  const std::optional<NatRequest>& nat = passage.request.nat;
  if (nat && nat->kind != NatRequest::Kind::kUndo) {
    const auto is_free = [&](const Tuple& reply) { return !Find(reply, passage.now); };
    const std::optional<Tuple> reply = FreeReply(original, *nat, is_free);
    if (!reply) {
      ++work_.nat_exhausted;
      return std::nullopt;
    }
    connection.reply = *reply;
    connection.nat = nat->kind;
  }
  Lifetime lifetime = original.is_icmp() ? Lifetime::kIcmpFirst : Lifetime::kOtherFirst;
  if (IsTcp(original)) {
    connection.tracking = TcpTracking(TcpSegment(passage.packet.bytes(), passage.packet.headers()));
    lifetime = Lifetime::kTcpFirst;
  }
  connection.expires = passage.now + DurationOf(lifetime);
  const auto place = unanswered_.insert(unanswered_.end(), std::move(connection));
  by_tuple_.insert_or_assign(place->original, Found{place, false});
  by_tuple_.try_emplace(place->reply, Found{place, true});
  by_number_.emplace(place->number, place);
  return place;
}

bool Connections::MakeRoom(Nanoseconds now) {
  if (size() < size_max_) {
    return true;
  }
  if (!answered_.empty() && answered_.front().expires <= now) {
    Remove(answered_.begin());
    return true;
  }
  if (unanswered_.empty()) {
    return false;
  }
  if (unanswered_.front().expires > now) {
    ++work_.evicted;
  }
  Remove(unanswered_.begin());
  return true;
}

void Connections::RememberFragment(const Tuple& fragment, const FirstFragment& first) {
  const auto [place, is_new] = fragments_.insert_or_assign(fragment, first);
  if (!is_new) {
    return;
  }
  fragments_in_order_.push_back(fragment);
  while (fragments_.size() > kFragmentsMax) {
    fragments_.erase(fragments_in_order_.front());
    fragments_in_order_.pop_front();
  }
}

void Connections::Remove(List::iterator connection) {
  for (const Tuple& tuple : {connection->original, connection->reply}) {
    const auto found = by_tuple_.find(tuple);
    if (found != by_tuple_.end() && found->second.connection == connection) {
      by_tuple_.erase(found);
    }
  }
  by_number_.erase(connection->number);
  List& list = connection->is_answered ? answered_ : unanswered_;
  list.erase(connection);
}

void Connections::Touch(List::iterator connection) {
  List& before = connection->is_answered ? answered_ : unanswered_;
  connection->is_answered = connection->is_answered || connection->has_reply;
  List& after = connection->is_answered ? answered_ : unanswered_;
  after.splice(after.end(), before, connection);
}

void Connections::Expire(Nanoseconds now) {
  for (List* const list : {&unanswered_, &answered_}) {
    for (auto connection = list->begin(); connection != list->end();) {
      const auto next = std::next(connection);
      if (connection->expires <= now) {
        Remove(connection);
      }
      connection = next;
    }
  }
  while (!fragments_in_order_.empty()) {
    const auto first = fragments_.find(fragments_in_order_.front());
    if (first->second.expires > now) {
      return;
    }
    fragments_.erase(first);
    fragments_in_order_.pop_front();
  }
}

std::size_t Connections::Flush(std::optional<std::uint16_t> zone) {
  const std::size_t before = size();
  for (List* const list : {&unanswered_, &answered_}) {
    for (auto connection = list->begin(); connection != list->end();) {
      const auto next = std::next(connection);
      if (!zone || connection->original.zone == *zone) {
        Remove(connection);
      }
      connection = next;
    }
  }
  return before - size();
}

std::vector<const Connection*> Connections::All(Nanoseconds now) const {
  std::vector<const Connection*> all;
  for (const auto& [number, connection] : by_number_) {
    if (connection->expires > now) {
      all.push_back(&*connection);
    }
  }
  std::sort(all.begin(), all.end(), [](const Connection* left, const Connection* right) {
    return left->number < right->number;
  });
  return all;
}

}  // namespace vswitch
