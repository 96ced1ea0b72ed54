// An array of plain elements that grows by doubling: what tables, indexes and hash tables store
// their parts in.
//
// Unlike std::vector it leaves room that nobody asked for untouched, so that it takes no memory
// before it is written to, and asks the system for huge pages where it is large: tables of millions
// of rows are read in no order, and would miss the translation of every other address.
//
// Ownership: the elements are the array's. Pointers into it are good until the next Reserve or
// Resize. Cost: growing copies; Reserve O(1) amortized for one element more. Errors:
// std::bad_alloc leaves the array as it was. Thread safety: none; const methods may run
// concurrently.

#ifndef NLOG_ENGINE_CORE_ARRAY_H_
#define NLOG_ENGINE_CORE_ARRAY_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace nlog::core {

template <typename Element>
class Array {
  static_assert(std::is_trivially_copyable_v<Element>);

 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Element* data() { return elements_.get(); }
  const Element* data() const { return elements_.get(); }
  Element& operator[](std::size_t i) { return elements_[i]; }
  const Element& operator[](std::size_t i) const { return elements_[i]; }
  const Element* begin() const { return data(); }
  const Element* end() const { return data() + size_; }
  Element& back() { return elements_[size_ - 1]; }

  // Makes room for `count` elements in all, so that growing to that size cannot fail.
  void Reserve(std::size_t count) {
    if (count > capacity_) [[unlikely]] {
      Grow(std::max({count, capacity_ * 2, kBytesMin / sizeof(Element)}));
    }
  }

  // Sets the size. What is added holds no value yet.
  void Resize(std::size_t count) {
    Reserve(count);
    size_ = count;
  }

  void PushBack(Element element) {
    Reserve(size_ + 1);
    elements_[size_++] = element;
  }
  // Requires: not empty.
  Element PopBack() { return elements_[--size_]; }

  // Empties the array, and gives its memory back if that is much.
  void Clear() {
    size_ = 0;
    if (capacity_ * sizeof(Element) > kBytesKept) {
      elements_.reset();
      capacity_ = 0;
    }
  }

  // The memory it holds, touched or not.
  std::size_t bytes() const { return capacity_ * sizeof(Element); }

 private:
  struct Free {
    void operator()(Element* elements) const { std::free(elements); }
  };

  static constexpr std::size_t kBytesMin = 64;
  static constexpr std::size_t kBytesKept = 65536;
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;

  static Element* Allocate(std::size_t bytes) {
    if (bytes < 2 * kHugePage) {
      return static_cast<Element*>(std::malloc(bytes));
    }
    const std::size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* memory = std::aligned_alloc(kHugePage, whole);
    if (memory != nullptr) {
      madvise(memory, whole, MADV_HUGEPAGE);
    }
    return static_cast<Element*>(memory);
  }

  void Grow(std::size_t capacity) {
    std::unique_ptr<Element[], Free> elements(Allocate(capacity * sizeof(Element)));
    if (elements == nullptr) {
      throw std::bad_alloc();
    }
    if (size_ > 0) {
      std::memcpy(elements.get(), elements_.get(), size_ * sizeof(Element));
    }
    elements_ = std::move(elements);
    capacity_ = capacity;
  }

  std::unique_ptr<Element[], Free> elements_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ARRAY_H_
