// An array of plain elements that grows by doubling: what tables, indexes and hash tables store
// their parts in.
//
// Unlike std::vector it leaves room that nobody asked for untouched, so that it takes no memory
// before it is written to. A large array has pages of its own: huge ones, since tables of millions
// of rows are read in no order, and would miss the translation of every other address; and when it
// grows they are moved, not copied, so that no page is cleared twice.
//
// Ownership: the elements are the array's. Pointers into it are good until the next Reserve or
// Resize. Cost: growing copies while the array is small; Reserve O(1) amortized for one element
// more. Errors:
// std::bad_alloc leaves the array as it was. Thread safety: none; const methods may run
// concurrently.

#ifndef NLOG_ENGINE_CORE_ARRAY_H_
#define NLOG_ENGINE_CORE_ARRAY_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace nlog::core {

template <typename Element>
class Array {
  static_assert(std::is_trivially_copyable_v<Element>);

 public:
  Array() = default;
  Array(Array&& other) noexcept { swap(other); }
  Array& operator=(Array&& other) noexcept {
    Array(std::move(other)).swap(*this);
    return *this;
  }
  ~Array() { Release(); }

  void swap(Array& other) noexcept {
    std::swap(elements_, other.elements_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Element* data() { return elements_; }
  const Element* data() const { return elements_; }
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

  // Makes an array of zeros. Requires: it is empty, and was never larger. Cost: none while nobody
  // looks at them, if they are many.
  void ResizeZeroed(std::size_t count) {
    Resize(count);
    if (!IsLarge(capacity_)) {
      std::memset(data(), 0, count * sizeof(Element));
    }
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
      Array().swap(*this);
    }
  }

  // Gives the memory of elements from `first` up to `last` back, as far as it can; they lose their
  // values. For an array that is being moved elsewhere.
  void GiveBack(std::size_t first, std::size_t last) {
    if (!IsLarge(capacity_)) {
      return;
    }
    const std::size_t begin = (first * sizeof(Element) + kHugePage - 1) / kHugePage * kHugePage;
    const std::size_t end = last * sizeof(Element) / kHugePage * kHugePage;
    if (begin < end) {
      madvise(reinterpret_cast<char*>(elements_) + begin, end - begin, MADV_DONTNEED);
    }
  }

  // The memory it holds, touched or not.
  std::size_t bytes() const { return capacity_ * sizeof(Element); }

 private:
  static constexpr std::size_t kBytesMin = 64;
  static constexpr std::size_t kBytesKept = 65536;
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;

  // Whether an array of that capacity has pages of its own.
  static bool IsLarge(std::size_t capacity) { return capacity * sizeof(Element) >= 2 * kHugePage; }
  static std::size_t PageBytes(std::size_t capacity) {
    return (capacity * sizeof(Element) + kHugePage - 1) / kHugePage * kHugePage;
  }

  // Addresses for so many bytes, at the start of a huge page.
  static char* ReserveAddresses(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    char* const begin = static_cast<char*>(memory);
    const std::size_t excess = reinterpret_cast<std::uintptr_t>(begin) % kHugePage;
    const std::size_t head = excess == 0 ? 0 : kHugePage - excess;
    if (head > 0) {
      munmap(begin, head);
    }
    munmap(begin + head + bytes, kHugePage - head);
    return begin + head;
  }

  // Requires: capacity > capacity_.
  void Grow(std::size_t capacity) {
    if (!IsLarge(capacity)) {
      auto* const elements = static_cast<Element*>(::operator new(capacity * sizeof(Element)));
      if (size_ > 0) {
        std::memcpy(elements, elements_, size_ * sizeof(Element));
      }
      ::operator delete(elements_);
      elements_ = elements;
    } else {
      MoveToPages(capacity);
    }
    capacity_ = capacity;
  }

  void MoveToPages(std::size_t capacity) {
    const std::size_t bytes = PageBytes(capacity);
    char* const pages = ReserveAddresses(bytes);
    if (IsLarge(capacity_)) {
      const std::size_t bytes_before = PageBytes(capacity_);
      if (mremap(elements_, bytes_before, bytes_before, MREMAP_MAYMOVE | MREMAP_FIXED, pages) ==
          MAP_FAILED) {
        munmap(pages, bytes);
        throw std::bad_alloc();
      }
    } else {
      if (size_ > 0) {
        std::memcpy(pages, elements_, size_ * sizeof(Element));
      }
      ::operator delete(elements_);
    }
    madvise(pages, bytes, MADV_HUGEPAGE);
    elements_ = reinterpret_cast<Element*>(pages);
  }

  void Release() {
    if (IsLarge(capacity_)) {
      munmap(elements_, PageBytes(capacity_));
    } else {
      ::operator delete(elements_);
    }
  }

  Element* elements_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ARRAY_H_
