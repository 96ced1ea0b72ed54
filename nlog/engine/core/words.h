// The unit of data: every value of nlog is one 64-bit word, and every row a fixed number of them.
//
// The core never asks what a word means, only whether two are equal; the functions that rules call
// know how to read them (functions.h):
//
//   bool      0 or 1
//   int       two's complement, 64 bits
//   mac       48 bits
//   ip4       32 bits
//   ip6       number of the tuple of its two halves in the interner
//   prefix    of ip4: (address << 8) | length; of ip6: 2^63 + number of the tuple of both halves of
//             the address and the length; host bits zero
//   str       number of the text in the interner
//   bytes     number of the text in the interner, whatever the bytes
//   record    number of the tuple of its fields in the interner
//   list      number of the tuple of its elements in the interner
//   optional  number of the tuple of its value, or of the empty one
//   union     number of the tuple of the case's place and its fields
//
// Hashing: one 64 x 64 -> 128 bit multiplication a word, folded (the mixer of wyhash). Tables keep
// 32 bits of it, so that growing a hash table never touches the rows.

#ifndef NLOG_ENGINE_CORE_WORDS_H_
#define NLOG_ENGINE_CORE_WORDS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace nlog::core {

using Word = std::uint64_t;

// Rows of a table are numbered from 0; numbers of deleted rows are used again.
using RowId = std::uint32_t;
inline constexpr RowId kNoRow = 0xFFFFFFFF;

// A fault in nlog itself, never in rules or data.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Throws InternalError unless `condition`; stays in optimized builds.
inline void Require(bool condition, const char* text) {
  if (!condition) [[unlikely]] {
    throw InternalError(text);
  }
}

// A hash of words (or of any integers), fed one at a time. The product of a step is 0 for one word
// and for one state; what is added to it then still tells the states, or the words, apart.
class Hasher {
 public:
  void Add(Word word) {
    const auto product = static_cast<unsigned __int128>(word ^ 0xA0761D6478BD642Full) *
                         (state_ ^ 0xE7037ED1A0B428DBull);
    const Word folded = static_cast<Word>(product) ^ static_cast<Word>(product >> 64);
    state_ = folded + std::rotl(state_ ^ word, 23);
  }
  std::uint32_t Value() const { return static_cast<std::uint32_t>(state_ ^ (state_ >> 32)); }

 private:
  Word state_ = 0x8EBC6AF09C88C6E3ull;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_WORDS_H_
