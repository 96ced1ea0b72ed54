// See interner.h. Short sequences share blocks of 64 KiB; a long one gets a block of its own, so no
// more than an eighth of a shared block is ever lost at its end.

#include "interner.h"

#include <algorithm>
#include <cstring>

namespace nlog::core {
namespace {

std::uint32_t Hash(std::span<const Word> words) {
  Hasher hasher;
  hasher.Add(words.size());
  for (const Word word : words) {
    hasher.Add(word);
  }
  return hasher.Value();
}

std::uint32_t Hash(std::span<const char> text) {
  Hasher hasher;
  hasher.Add(text.size());
  for (std::size_t begin = 0; begin < text.size(); begin += sizeof(Word)) {
    Word word = 0;
    std::memcpy(&word, text.data() + begin, std::min(sizeof(Word), text.size() - begin));
    hasher.Add(word);
  }
  return hasher.Value();
}

}  // namespace

template <typename Element>
std::uint32_t SequenceInterner<Element>::FindHashed(std::uint32_t hash,
                                                    std::span<const Element> sequence) const {
  return slots_.Find(hash, [&](std::uint32_t number) {
    const std::span<const Element> other = View(number);
    return std::equal(sequence.begin(), sequence.end(), other.begin(), other.end());
  });
}

template <typename Element>
std::optional<Word> SequenceInterner<Element>::Find(std::span<const Element> sequence) const {
  const std::uint32_t number = FindHashed(Hash(sequence), sequence);
  return number == HashSlots::kNone ? std::nullopt : std::optional<Word>(number);
}

template <typename Element>
Word SequenceInterner<Element>::Intern(std::span<const Element> sequence) {
  const std::uint32_t hash = Hash(sequence);
  const std::uint32_t known = FindHashed(hash, sequence);
  if (known != HashSlots::kNone) {
    return known;
  }
  if (sequence.size() > elements_max_) [[unlikely]] {
    throw CapacityError(CapacityError::What::kElements, elements_max_);
  }
  if (entries_.size() >= values_max_) [[unlikely]] {
    throw CapacityError(kind_, values_max_);
  }
  slots_.ReserveOne();
  entries_.push_back({Copy(sequence), static_cast<std::uint32_t>(sequence.size())});
  const auto number = static_cast<std::uint32_t>(entries_.size() - 1);
  slots_.Insert(hash, number);
  return number;
}

template <typename Element>
const Element* SequenceInterner<Element>::Copy(std::span<const Element> sequence) {
  if (sequence.size() > free_size_) {
    if (sequence.size() > kBlockSize / 8) {
      blocks_.push_back(std::make_unique<Element[]>(sequence.size()));
      std::copy(sequence.begin(), sequence.end(), blocks_.back().get());
      return blocks_.back().get();
    }
    blocks_.push_back(std::make_unique<Element[]>(kBlockSize));
    free_ = blocks_.back().get();
    free_size_ = kBlockSize;
  }
  Element* const copy = free_;
  std::copy(sequence.begin(), sequence.end(), copy);
  free_ += sequence.size();
  free_size_ -= sequence.size();
  return copy;
}

template class SequenceInterner<char>;
template class SequenceInterner<Word>;

}  // namespace nlog::core
