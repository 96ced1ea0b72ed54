// A packet on its way through the switch: bytes, key and metadata.
//
// Bytes are the frame's that came in, which the caller keeps, until an action writes; then they are
// the packet's own. The key's part that is read from them is read when somebody asks. A copy is
// independent of what it was copied from, but for the bytes that came in.

#ifndef VSWITCH_SIM_DATAPATH_CORE_PACKET_H_
#define VSWITCH_SIM_DATAPATH_CORE_PACKET_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "actions.h"
#include "bytes.h"
#include "key.h"
#include "parse.h"
#include "rewrite.h"
#include "tracked.h"

namespace vswitch {

class Packet {
 public:
  // Makes it a frame that comes in; the frame must stay while the packet is used.
  void Receive(Bytes frame, std::uint32_t in_port, Word tun_id, std::uint32_t recirc_id = 0) {
    received_ = frame;
    is_own_ = false;
    is_parsed_ = false;
    tracked_ = {};
    key_ = {};
    Put(key_, place::kInPort, in_port);
    Put(key_, place::kTunId, tun_id);
    Put(key_, place::kRecircId, recirc_id);
  }

  Bytes bytes() const { return is_own_ ? Bytes(own_) : received_; }
  // Whether no byte was written since it came in.
  bool is_as_received() const { return !is_own_; }

  const FlowKey& key() {
    Parse();
    return key_;
  }
  const Headers& headers() {
    Parse();
    return headers_;
  }

  // A field of metadata, which no byte tells.
  Word Metadata(Place place) const { return Get(key_, place); }
  void SetMetadata(Place place, Word value) { vswitch::Set(key_, place, value); }

  void SetMetadata128(Place place, const std::array<Word, 2>& value) {
    key_.words[place.word] = value[0];
    key_.words[place.word + 1] = value[1];
  }
  Tracked& tracked() { return tracked_; }

  void SetMetadata(const SetMetadataAction& action) {
    Word& word = key_.words[action.word];
    word = (word & ~action.mask) | action.value;
  }
  void Rewrite(const RewriteAction& action) {
    Parse();
    vswitch::Rewrite(Writable(), headers_, action.value, action.mask);
  }
  void PushTag(const PushTagAction& action) {
    Writable();
    vswitch::PushTag(own_, action.tpid, action.tci);
  }
  void PopTag() {
    Writable();
    vswitch::PopTag(own_);
  }

  // The bytes, to be written to; the key is read anew after.
  std::span<std::uint8_t> Writable() {
    if (!is_own_) {
      own_.assign(received_.begin(), received_.end());
      is_own_ = true;
    }
    is_parsed_ = false;
    return own_;
  }

 private:
  void Parse() {
    if (!is_parsed_) {
      vswitch::Parse(bytes(), key_, headers_);
      is_parsed_ = true;
    }
  }

  Bytes received_;
  std::vector<std::uint8_t> own_;
  bool is_own_ = false;
  bool is_parsed_ = false;
  FlowKey key_;
  Headers headers_;
  Tracked tracked_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_PACKET_H_
