// The state of a TCP connection, as one who only watches can know it.
//
// Each end has a state, and a window of sequence numbers that it may send, which its own segments
// and the other end's acknowledgements slide: van Rooij, "Real Stateful TCP Packet Filtering in IP
// Filter" (2001). Outside of the window a segment is invalid, and changes nothing, but for the
// moments when the window is not known: before the other end has spoken, and after either closed.
// A connection may be picked up in its middle; then no window scale is known, and the largest is
// assumed. States and their order, and which timeout each has, are those of Open vSwitch.

#ifndef VSWITCH_SIM_DATAPATH_CORE_TCP_TRACKING_H_
#define VSWITCH_SIM_DATAPATH_CORE_TCP_TRACKING_H_

#include <array>
#include <cstdint>
#include <optional>

#include "bytes.h"
#include "parse.h"

namespace vswitch {

enum class TcpState : std::uint8_t {
  kClosed,
  kListen,
  kSynSent,
  kSynReceived,
  kEstablished,
  kCloseWait,
  kFinWait1,
  kClosing,
  kLastAck,
  kFinWait2,
  kTimeWait,
};

// How long a connection lasts when nothing more comes.
enum class Lifetime : std::uint8_t {
  kTcpFirst,
  kTcpOpening,
  kTcpEstablished,
  kTcpClosing,
  kTcpFinWait,
  kTcpClosed,
  kOtherFirst,
  kOtherMultiple,
  kOtherBoth,
  kIcmpFirst,
  kIcmpAnswered,
};

// What a packet is to its connection.
enum class Verdict : std::uint8_t {
  // Of a connection whose other end has spoken, or not yet.
  kEstablished,
  kNew,
  kInvalid,
  // The first of another connection between the same ends.
  kReborn,
};

// What of a TCP header counts.
struct TcpSegment {
  // Requires: the frame has a whole TCP header.
  TcpSegment(Bytes frame, const Headers& headers);

  bool Has(std::uint8_t flag) const { return (flags & flag) != 0; }
  // Whether its flags can stand together.
  bool is_possible() const;
  // Whether a connection may begin with it: not with SYN and ACK, which answer.
  bool may_be_first() const;
  // The sequence number behind it.
  std::uint32_t end() const;

  std::uint32_t sequence;
  std::uint32_t acknowledged;
  std::uint32_t payload_bytes;
  std::uint16_t window;
  std::uint8_t flags;
  std::optional<std::uint8_t> window_scale;
};

class TcpTracking {
 public:
  // A connection that begins with a segment. Requires: may_be_first().
  explicit TcpTracking(const TcpSegment& first);

  // Takes a segment in; `lifetime` is set if it renews the connection's.
  Verdict Update(const TcpSegment& segment, bool is_reply, std::optional<Lifetime>& lifetime);

  // The further one of both ends.
  TcpState state() const;

 private:
  enum class Scale : std::uint8_t { kNone, kUnknown, kKnown };

  struct End {
    TcpState state = TcpState::kClosed;
    // Behind the last that it sent, and behind the last that it may send.
    std::uint32_t sent = 0;
    std::uint32_t allowed = 0;
    // The largest window that it granted, not scaled.
    std::uint32_t window_max = 0;
    Scale scale_kind = Scale::kNone;
    std::uint8_t scale = 0;
  };
  // A segment between two ends, as far as it was looked at.
  struct Passage;

  static void BeginEnd(Passage& passage);
  static bool IsInWindow(const Passage& passage);
  static bool IsNearWindow(const Passage& passage);
  static void Slide(Passage& passage);
  static void Advance(Passage& passage);
  Lifetime CurrentLifetime() const;

  // Who began it, and the other.
  std::array<End, 2> ends_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_TCP_TRACKING_H_
