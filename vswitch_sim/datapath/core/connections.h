// Connection tracking: which packets belong to which connection, and what state that makes them.
//
// A connection is known by two tuples, that of the packets of who began it, and that of the
// replies; a zone holds connections of its own. It begins with a packet that commits it, and ends
// when nothing came for the lifetime that its state has. The bits of ct_state are Open vSwitch's,
// and so is what they say of each packet; see `Connection` of _core.pyi for what may be asked.
//
// Fragments are not put together. The first is tracked like a packet, except that its checksum is
// not looked at; later ones get what the first got, in each zone, if they come after it within
// 30 s, and are invalid if they come before. So no fragment waits, and none passes that the
// first did not.
//
// There is a limit. Where it is reached, what has had no answer yet gives way, the least recently
// used first; where all have, a packet that would commit is `new`, but not committed.
//
// Cost: O(1) expected a packet, beside a pass over its bytes for the checksum. Thread safety: none.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CONNECTIONS_H_
#define VSWITCH_SIM_DATAPATH_CORE_CONNECTIONS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "connection_nat.h"
#include "connection_request.h"
#include "connection_tuple.h"
#include "meters.h"
#include "packet.h"
#include "tcp_tracking.h"

namespace vswitch {

// Bits of ct_state.
inline constexpr Word kCtNew = 0x01;
inline constexpr Word kCtEstablished = 0x02;
inline constexpr Word kCtRelated = 0x04;
inline constexpr Word kCtReply = 0x08;
inline constexpr Word kCtInvalid = 0x10;
inline constexpr Word kCtTracked = 0x20;
inline constexpr Word kCtSourceNat = 0x40;
inline constexpr Word kCtDestinationNat = 0x80;

// What is known of a connection without ports that say more.
struct PlainTracking {
  bool has_more = false;
  bool has_reply = false;
};

struct Connection {
  // Grows from one connection to the next, and is never 0.
  std::uint64_t number;
  Tuple original;
  Tuple reply;
  // What is rewritten in packets of the original direction, if anything.
  NatRequest::Kind nat = NatRequest::Kind::kUndo;
  std::variant<PlainTracking, TcpTracking> tracking;
  std::uint32_t mark = 0;
  std::array<Word, 2> label{};
  Nanoseconds expires = 0;
  // Whether the other end has spoken; whether it is in the list of those of which it has.
  bool has_reply = false;
  bool is_answered = false;
};

struct ConnectionWork {
  std::uint64_t evicted = 0;
  std::uint64_t refused = 0;
  std::uint64_t nat_exhausted = 0;
};

class Connections {
 public:
  explicit Connections(std::size_t size_max) : size_max_(size_max) {}

  // Tracks a packet: sets its ct_state, ct_zone, ct_mark and ct_label, and rewrites it.
  void Track(Packet& packet, const ConnectionRequest& request, Nanoseconds now);

  // Makes a packet one that has not been tracked.
  static void Forget(Packet& packet);

  // Ends what has expired.
  void Expire(Nanoseconds now);
  // Ends all of a zone, or all; how many there were.
  std::size_t Flush(std::optional<std::uint16_t> zone);

  // All that have not expired, in the order in which they began.
  std::vector<const Connection*> All(Nanoseconds now) const;
  std::size_t size() const { return by_number_.size(); }
  const ConnectionWork& work() const { return work_; }

 private:
  using List = std::list<Connection>;
  struct Found {
    List::iterator connection;
    bool is_reply;
  };
  // What the first fragment of a packet got.
  struct FirstFragment {
    Word state;
    std::uint64_t connection;
    bool is_reply;
    Nanoseconds expires;
  };
  // A packet while it is tracked.
  struct Passage;

  void TrackWhole(Passage& passage, const ReadTuple& read);
  void TrackKnown(Passage& passage, const ReadTuple& read, const Found& found);
  void TrackUnknown(Passage& passage, const ReadTuple& read);
  void TrackLaterFragment(Passage& passage, const Tuple& fragment);
  bool TrackRemembered(Passage& passage);
  void Finish(Passage& passage, const std::optional<Found>& found);

  std::optional<Found> Find(const Tuple& tuple, Nanoseconds now);
  // Begins a connection with a packet; nothing if there is no room, or no free tuple for it.
  std::optional<List::iterator> Commit(Passage& passage, const Tuple& original);
  // Makes room for one more; false if there is none.
  bool MakeRoom(Nanoseconds now);
  void RememberFragment(const Tuple& fragment, const FirstFragment& first);
  void Remove(List::iterator connection);
  // Puts a connection that was used behind all others, with the answered ones if it was.
  void Touch(List::iterator connection);

  std::size_t size_max_;
  // In the order of their last use; a connection moves to the second list with its first reply.
  List unanswered_;
  List answered_;
  std::unordered_map<Tuple, Found, TupleHash> by_tuple_;
  std::unordered_map<std::uint64_t, List::iterator> by_number_;
  std::unordered_map<Tuple, FirstFragment, TupleHash> fragments_;
  std::deque<Tuple> fragments_in_order_;
  std::uint64_t next_number_ = 1;
  ConnectionWork work_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CONNECTIONS_H_
