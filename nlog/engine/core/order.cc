// See order.h.

#include "order.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace nlog::core {

std::strong_ordering ValueOrder::Compare(const Interner& interner, Word left, Word right) const {
  if (left == right) {
    return std::strong_ordering::equal;
  }
  if (kind == Kind::kWord) {
    return left <=> right;
  }
  if (kind == Kind::kInt) {
    return static_cast<std::int64_t>(left) <=> static_cast<std::int64_t>(right);
  }
  if (kind == Kind::kText) {
    return interner.Text(left) <=> interner.Text(right);
  }
  const std::span<const Word> lefts = interner.Tuple(left);
  const std::span<const Word> rights = interner.Tuple(right);
  for (std::size_t i = 0; i < std::min(lefts.size(), rights.size()); ++i) {
    const ValueOrder& part = parts[kind == Kind::kRecord ? i : 0];
    const std::strong_ordering order = part.Compare(interner, lefts[i], rights[i]);
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return lefts.size() <=> rights.size();
}

}  // namespace nlog::core
