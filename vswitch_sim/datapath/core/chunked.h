// A row of elements that grows at its end and never moves one: chunks of 1,024, found by an index
// small enough to stay close at hand, which std::deque's is not for large elements.
//
// Cost: an element is two reads away. Thread safety: none; const methods may run concurrently.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CHUNKED_H_
#define VSWITCH_SIM_DATAPATH_CORE_CHUNKED_H_

#include <cstddef>
#include <memory>
#include <vector>

namespace vswitch {

template <typename Element>
class Chunked {
 public:
  std::size_t size() const { return size_; }

  // Requires: i < size().
  Element& operator[](std::size_t i) { return chunks_[i / kChunk][i % kChunk]; }
  const Element& operator[](std::size_t i) const { return chunks_[i / kChunk][i % kChunk]; }

  Element& Append() {
    if (size_ == chunks_.size() * kChunk) {
      chunks_.push_back(std::make_unique<Element[]>(kChunk));
    }
    return (*this)[size_++];
  }

 private:
  static constexpr std::size_t kChunk = 1024;

  std::vector<std::unique_ptr<Element[]>> chunks_;
  std::size_t size_ = 0;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CHUNKED_H_
