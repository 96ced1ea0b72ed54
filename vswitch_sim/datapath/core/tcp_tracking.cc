// See tcp_tracking.h.

#include "tcp_tracking.h"

#include <algorithm>

namespace vswitch {
namespace {

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kReset = 0x04;
constexpr std::uint8_t kPush = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kUrgent = 0x20;

constexpr std::size_t kTcpBytesMin = 20;
constexpr std::uint8_t kScaleMax = 14;
// How far an acknowledgement may be off: the largest window, and a segment that was cut in pieces.
constexpr std::int32_t kSkewMax = 0xFFFF + 1500;

// Sequence numbers go round: what is less than half of them ahead is after.
bool IsAtOrAfter(std::uint32_t left, std::uint32_t right) {
  return static_cast<std::int32_t>(left - right) >= 0;
}
bool IsAfter(std::uint32_t left, std::uint32_t right) {
  return static_cast<std::int32_t>(left - right) > 0;
}

// A window before it is scaled, rounded up.
std::uint32_t Unscaled(std::uint32_t window, std::uint8_t scale) {
  return (window + (1u << scale) - 1) >> scale;
}

std::optional<std::uint8_t> WindowScale(Bytes options) {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kNothing = 1;
  constexpr std::uint8_t kWindowScale = 3;
  std::optional<std::uint8_t> scale;
  while (options.size() >= 3 && options[0] != kEnd) {
    if (options[0] == kNothing) {
      options = options.subspan(1);
      continue;
    }
    if (options[0] == kWindowScale) {
      scale = std::min(options[2], kScaleMax);
    }
    const std::size_t bytes = std::max<std::size_t>(options[1], 2);
    options = options.subspan(std::min(bytes, options.size()));
  }
  return scale;
}

}  // namespace

TcpSegment::TcpSegment(Bytes frame, const Headers& headers) {
  const std::uint8_t* const tcp = frame.data() + headers.l4;
  const std::size_t header_bytes = std::size_t{tcp[12]} / 16 * 4;
  sequence = Load32(tcp + 4);
  acknowledged = Load32(tcp + 8);
  payload_bytes = static_cast<std::uint32_t>(headers.end - headers.l4 - header_bytes);
  window = Load16(tcp + 14);
  flags = tcp[13];
  if (Has(kSyn)) {
    window_scale =
        WindowScale(frame.subspan(headers.l4 + kTcpBytesMin, header_bytes - kTcpBytesMin));
  }
}

bool TcpSegment::is_possible() const {
  if (Has(kSyn) ? Has(kReset) || Has(kFin) : !Has(kAck) && !Has(kReset)) {
    return false;
  }
  return Has(kAck) || !(Has(kFin) || Has(kPush) || Has(kUrgent));
}

bool TcpSegment::may_be_first() const { return is_possible() && !(Has(kSyn) && Has(kAck)); }

std::uint32_t TcpSegment::end() const {
  return sequence + payload_bytes + (Has(kSyn) ? 1 : 0) + (Has(kFin) ? 1 : 0);
}

TcpTracking::TcpTracking(const TcpSegment& first) {
  End& source = ends_[0];
  End& destination = ends_[1];
  source.state = TcpState::kSynSent;
  source.sent = first.sequence;
  source.allowed = first.end() + 1;
  source.window_max = std::max<std::uint32_t>(first.window, 1);
  if (!first.Has(kSyn)) {
    source.scale_kind = destination.scale_kind = Scale::kUnknown;
  } else if (first.window_scale) {
    source.scale_kind = Scale::kKnown;
    source.scale = *first.window_scale;
    source.window_max = Unscaled(source.window_max, source.scale);
  }
  destination.allowed = 1;
  destination.window_max = 1;
}

struct TcpTracking::Passage {
  const TcpSegment& segment;
  End& source;
  End& destination;
  std::uint8_t source_scale;
  std::uint8_t destination_scale;
  std::uint32_t window;
  std::uint32_t sequence;
  std::uint32_t end;
  std::uint32_t acknowledged;
  bool checks_skew = true;

  std::uint32_t source_window() const { return window << source_scale; }
  std::uint32_t destination_window() const { return destination.window_max << destination_scale; }
};

// The first segment that an end sends.
void TcpTracking::BeginEnd(Passage& passage) {
  End& source = passage.source;
  End& destination = passage.destination;
  if (passage.segment.Has(kSyn) && destination.scale_kind == Scale::kKnown) {
    if (passage.segment.window_scale) {
      source.scale_kind = Scale::kKnown;
      source.scale = *passage.segment.window_scale;
      passage.source_scale = source.scale;
      passage.destination_scale = destination.scale;
      passage.window = Unscaled(passage.window, source.scale);
    } else {
      // Only where both ends say so is anything scaled.
      destination.window_max =
          static_cast<std::uint16_t>(destination.window_max << destination.scale);
      source.scale_kind = destination.scale_kind = Scale::kNone;
      source.scale = destination.scale = 0;
    }
  }
  source.sent = passage.sequence;
  source.state = TcpState::kSynSent;
  const std::uint32_t allowed =
      passage.end + std::max<std::uint32_t>(1, passage.destination_window());
  if (source.allowed == 1 || IsAtOrAfter(allowed, source.allowed)) {
    source.allowed = allowed;
    passage.checks_skew = false;
  }
  source.window_max = std::max(source.window_max, passage.window);
}

bool TcpTracking::IsInWindow(const Passage& passage) {
  const End& source = passage.source;
  const auto skew = passage.checks_skew
                        ? static_cast<std::int32_t>(passage.destination.sent - passage.acknowledged)
                        : 0;
  const std::uint32_t from_sent = passage.segment.sequence - source.sent;
  // A reset is believed only at the very place, or next to it.
  const bool is_reset_in_place = from_sent + 1 <= 2;
  return IsAtOrAfter(source.allowed, passage.end) &&
         IsAtOrAfter(passage.sequence, source.sent - passage.destination_window()) &&
         skew >= -kSkewMax && skew <= kSkewMax << passage.source_scale &&
         (!passage.segment.Has(kReset) || is_reset_in_place);
}

// Where the window is not known, near it is good enough.
bool TcpTracking::IsNearWindow(const Passage& passage) {
  const End& source = passage.source;
  const End& destination = passage.destination;
  return (destination.state < TcpState::kSynSent || destination.state >= TcpState::kFinWait2 ||
          source.state >= TcpState::kFinWait2) &&
         IsAtOrAfter(source.allowed + kSkewMax, passage.end) &&
         IsAtOrAfter(passage.sequence, source.sent - kSkewMax);
}

void TcpTracking::Slide(Passage& passage) {
  End& source = passage.source;
  End& destination = passage.destination;
  source.window_max = std::max(source.window_max, passage.window);
  if (IsAfter(passage.end, source.sent)) {
    source.sent = passage.end;
  }
  if (IsAtOrAfter(passage.acknowledged + passage.source_window(), destination.allowed)) {
    destination.allowed =
        passage.acknowledged + std::max<std::uint32_t>(passage.source_window(), 1);
  }
}

void TcpTracking::Advance(Passage& passage) {
  End& source = passage.source;
  End& destination = passage.destination;
  if (passage.segment.Has(kSyn) && source.state < TcpState::kSynSent) {
    source.state = TcpState::kSynSent;
  }
  if (passage.segment.Has(kFin) && source.state < TcpState::kClosing) {
    source.state = TcpState::kClosing;
  }
  if (passage.segment.Has(kAck)) {
    if (destination.state == TcpState::kSynSent) {
      destination.state = TcpState::kEstablished;
    } else if (destination.state == TcpState::kClosing) {
      destination.state = TcpState::kFinWait2;
    }
  }
  if (passage.segment.Has(kReset)) {
    source.state = destination.state = TcpState::kTimeWait;
  }
}

Lifetime TcpTracking::CurrentLifetime() const {
  const auto [low, high] = std::minmax(ends_[0].state, ends_[1].state);
  if (low >= TcpState::kFinWait2) {
    return Lifetime::kTcpClosed;
  }
  if (low >= TcpState::kClosing) {
    return Lifetime::kTcpFinWait;
  }
  if (low < TcpState::kEstablished) {
    return Lifetime::kTcpOpening;
  }
  return high >= TcpState::kClosing ? Lifetime::kTcpClosing : Lifetime::kTcpEstablished;
}

Verdict TcpTracking::Update(const TcpSegment& segment, bool is_reply,
                            std::optional<Lifetime>& lifetime) {
  End& source = ends_[is_reply ? 1 : 0];
  End& destination = ends_[is_reply ? 0 : 1];
  if (!segment.is_possible()) {
    return Verdict::kInvalid;
  }
  if (segment.Has(kSyn) && !segment.Has(kAck)) {
    if (std::min(source.state, destination.state) >= TcpState::kFinWait2) {
      source.state = destination.state = TcpState::kClosed;
      return Verdict::kReborn;
    }
    if (source.state <= TcpState::kSynSent) {
      source.state = TcpState::kSynSent;
      lifetime = Lifetime::kTcpFirst;
      return Verdict::kNew;
    }
  }
  Passage passage{segment,          source,        destination,         0, 0, segment.window,
                  segment.sequence, segment.end(), segment.acknowledged};
  if (!segment.Has(kSyn) && source.scale_kind == destination.scale_kind) {
    const bool is_unknown = source.scale_kind == Scale::kUnknown;
    passage.source_scale = is_unknown ? kScaleMax : source.scale;
    passage.destination_scale = is_unknown ? kScaleMax : destination.scale;
  }
  if (source.state < TcpState::kSynSent) {
    BeginEnd(passage);
  }
  // Some stacks answer with a reset that acknowledges nothing.
  if (!segment.Has(kAck) || (segment.acknowledged == 0 && segment.Has(kReset))) {
    passage.acknowledged = destination.sent;
  }
  if (passage.sequence == passage.end) {
    passage.sequence = passage.end = source.sent;
  }
  if (IsInWindow(passage)) {
    Slide(passage);
    Advance(passage);
    lifetime = CurrentLifetime();
    return Verdict::kEstablished;
  }
  if (!IsNearWindow(passage)) {
    return Verdict::kInvalid;
  }
  Slide(passage);
  if (segment.Has(kFin) && source.state < TcpState::kClosing) {
    source.state = TcpState::kClosing;
  }
  if (segment.Has(kReset)) {
    source.state = destination.state = TcpState::kTimeWait;
  }
  return Verdict::kEstablished;
}

TcpState TcpTracking::state() const { return std::max(ends_[0].state, ends_[1].state); }

}  // namespace vswitch
