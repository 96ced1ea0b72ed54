// The interner: numbers for values that do not fit a word.
//
// Equal sequences get equal numbers, so strings, records and lists are compared, hashed and joined
// as words. Texts (UTF-8) and tuples (of words; a record's fields, a list's elements) are numbered
// apart, each from 0 in the order they were first seen. The first tuples are (0) to (7), the types
// of values.h that have no parts, so that these have one number in all interners.
//
// Ownership: the elements are copied into blocks that never move, so views stay valid as long as
// the interner lives. Nothing is ever freed in this version: an interner holds every distinct
// value it has seen, also those of transactions that failed.
// Cost: Intern is one hash of the sequence and O(1) expected probes; View O(1). Memory: the
// elements plus 28 to 40 bytes a sequence. Errors: std::bad_alloc, CapacityError beyond 2^32 - 1
// sequences of a kind or for one of as many elements. Thread safety: none; one lock must guard all
// uses, View included (Intern moves the directory).

#ifndef NLOG_ENGINE_CORE_INTERNER_H_
#define NLOG_ENGINE_CORE_INTERNER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "capacities.h"
#include "hash_slots.h"
#include "words.h"

namespace nlog::core {

// Numbers for sequences of `Element` (char or Word).
template <typename Element>
class SequenceInterner {
 public:
  SequenceInterner(CapacityError::What kind, const Capacities& capacities)
      : kind_(kind), values_max_(capacities.values), elements_max_(capacities.elements) {}

  // The number of `sequence`, which is copied if it is new.
  Word Intern(std::span<const Element> sequence);

  // The number of `sequence`, or nothing if it was never interned.
  std::optional<Word> Find(std::span<const Element> sequence) const;

  // The sequence of a number. Requires: Intern has returned `number`.
  std::span<const Element> View(Word number) const {
    const Entry& entry = entries_[number];
    return {entry.elements, entry.size};
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    const Element* elements;
    std::uint32_t size;
  };

  static constexpr std::size_t kBlockSize = 65536 / sizeof(Element);

  std::uint32_t FindHashed(std::uint32_t hash, std::span<const Element> sequence) const;
  const Element* Copy(std::span<const Element> sequence);

  const CapacityError::What kind_;
  const std::size_t values_max_;
  const std::size_t elements_max_;
  HashSlots slots_;
  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<Element[]>> blocks_;
  Element* free_ = nullptr;
  std::size_t free_size_ = 0;
};

extern template class SequenceInterner<char>;
extern template class SequenceInterner<Word>;

class Interner {
 public:
  explicit Interner(const Capacities& capacities = {})
      : texts_(CapacityError::What::kTexts, capacities),
        tuples_(CapacityError::What::kTuples, capacities) {
    for (Word kind = 0; kind < kTuplesAtFirst; ++kind) {
      InternTuple({&kind, 1});
    }
  }
  Interner(const Interner&) = delete;
  Interner& operator=(const Interner&) = delete;

  Word InternText(std::string_view text) { return texts_.Intern({text.data(), text.size()}); }
  Word InternTuple(std::span<const Word> words) { return tuples_.Intern(words); }

  std::optional<Word> FindText(std::string_view text) const {
    return texts_.Find({text.data(), text.size()});
  }
  std::optional<Word> FindTuple(std::span<const Word> words) const { return tuples_.Find(words); }

  // Whether a word is the number of a text, or of a tuple.
  bool HasText(Word word) const { return word < texts_.size(); }
  bool HasTuple(Word word) const { return word < tuples_.size(); }

  std::string_view Text(Word number) const {
    const std::span<const char> view = texts_.View(number);
    return {view.data(), view.size()};
  }
  std::span<const Word> Tuple(Word number) const { return tuples_.View(number); }

 private:
  static constexpr Word kTuplesAtFirst = 8;

  SequenceInterner<char> texts_;
  SequenceInterner<Word> tuples_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_INTERNER_H_
