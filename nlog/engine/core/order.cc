// See order.h.

#include "order.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "addresses.h"

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
  if (kind == Kind::kPrefix) {
    return ComparePrefixes(interner, left, right);
  }
  std::span<const Word> lefts = interner.Tuple(left);
  std::span<const Word> rights = interner.Tuple(right);
  const ValueOrder* whole = this;
  if (kind == Kind::kUnion) {
    if (lefts[0] != rights[0]) {
      return lefts[0] <=> rights[0];
    }
    whole = &parts[lefts[0]];
    lefts = lefts.subspan(1);
    rights = rights.subspan(1);
  }
  for (std::size_t i = 0; i < std::min(lefts.size(), rights.size()); ++i) {
    const ValueOrder& part = whole->parts[whole->kind == Kind::kRecord ? i : 0];
    const std::strong_ordering order = part.Compare(interner, lefts[i], rights[i]);
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return lefts.size() <=> rights.size();
}

}  // namespace nlog::core
