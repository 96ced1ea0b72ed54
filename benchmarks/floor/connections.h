// How switches are connected, in the three network workloads; parts of `Nvp`, see nvp.h.
//
// `Direct`: by one router, counted. `Rows`: by any number of routers; routers and switches form
// components, kept by a search of the smaller news: a link joins two, or may split one, and pairs
// of switches come or go accordingly. `Labels`: the same components, but each switch has only the
// smallest number in its component, and hosts need components.
//
// Cost of a link: the size of the components that it touches, and the pairs or labels it changes.

#ifndef BENCHMARKS_FLOOR_CONNECTIONS_H_
#define BENCHMARKS_FLOOR_CONNECTIONS_H_

#include <vector>

#include "benchmarks/floor/counted_set.h"
#include "benchmarks/floor/job.h"
#include "benchmarks/floor/lists.h"

namespace floor_ {

// conn(s, t) as a table, and needs(h, t) :- host_ls(h, s), conn(s, t).
class Pairs {
 public:
  void host(uint32_t host, uint32_t on, int sign, CountedSet<2>& needs) const {
    for (const uint32_t to : connected_[on]) needs.change({host, to}, sign);
  }

  void full(const Lists& hosts, CountedSet<2>& needs) {
    conn_.flush();
    conn_.for_each([&](const Row<2>& row) { connected_.change(row[0], row[1], 1); });
    size_t bound = 0;
    for (uint32_t on = 0; on < hosts.size(); ++on)
      bound += hosts[on].size() * connected_[on].size();
    needs.reserve(bound);
    for (uint32_t on = 0; on < hosts.size(); ++on) {
      for (const uint32_t host : hosts[on]) this->host(host, on, 1, needs);
    }
  }

  void prepare() { conn_.track(true); }

  void settle(const Lists& hosts, CountedSet<2>& needs) {
    conn_.settle();
    each_change(conn_, [&](const Row<2>& row, int sign) {
      connected_.change(row[0], row[1], sign);
      for (const uint32_t host : hosts[row[0]]) needs.change({host, row[1]}, sign);
    });
  }

  void report(Tables& tables) const { tables.add("conn", conn_); }

 protected:
  CountedSet<2> conn_;
  Lists connected_;
};

class Direct : public Pairs {
 public:
  void exists(uint32_t on, int sign) { conn_.change({on, on}, sign); }

  void link(uint32_t router, uint32_t on, int sign) {
    if (sign < 0) switches_.change(router, on, sign);
    for (const uint32_t other : switches_[router]) {
      conn_.change({on, other}, sign);
      conn_.change({other, on}, sign);
    }
    conn_.change({on, on}, sign);
    if (sign > 0) switches_.change(router, on, sign);
  }

 private:
  Lists switches_;  // by router
};

// The graph of routers and switches, and what a link joins or splits.
class Graph {
 public:
  // Adds or removes a link; whether its two ends have no other way to each other. If so `left` and
  // `right` are the switches on the side of the switch and of the router.
  bool link(uint32_t router, uint32_t on, int sign) {
    if (sign < 0) change(router, on, sign);
    ++search_;
    left.clear();
    visit_switch(on, left);
    follow(left);
    const bool separate = !is_found(routers_, router);
    if (separate) {
      right.clear();
      visit_router(router, right);
      follow(right);
    }
    if (sign > 0) change(router, on, sign);
    return separate;
  }

  std::vector<uint32_t> left, right;

 private:
  void change(uint32_t router, uint32_t on, int sign) {
    switches_of_.change(router, on, sign);
    routers_of_.change(on, router, sign);
  }

  void follow(std::vector<uint32_t>& found) {
    for (size_t at = 0; at < found.size(); ++at) {
      for (const uint32_t router : routers_of_[found[at]]) visit_router(router, found);
    }
  }

  void visit_router(uint32_t router, std::vector<uint32_t>& found) {
    if (is_found(routers_, router)) return;
    routers_[router] = search_;
    for (const uint32_t on : switches_of_[router]) visit_switch(on, found);
  }

  void visit_switch(uint32_t on, std::vector<uint32_t>& found) {
    if (is_found(switches_, on)) return;
    switches_[on] = search_;
    found.push_back(on);
  }

  bool is_found(std::vector<uint32_t>& marks, uint32_t number) const {
    if (number >= marks.size()) marks.resize(number + 1);
    return marks[number] == search_;
  }

  Lists switches_of_, routers_of_;
  std::vector<uint32_t> switches_, routers_;  // the last search that found them
  uint32_t search_ = 0;
};

class Rows : public Pairs {
 public:
  void exists(uint32_t on, int sign) { conn_.change({on, on}, sign); }

  void link(uint32_t router, uint32_t on, int sign) {
    if (!graph_.link(router, on, sign)) return;
    for (const uint32_t left : graph_.left) {
      for (const uint32_t right : graph_.right) {
        conn_.change({left, right}, sign);
        conn_.change({right, left}, sign);
      }
    }
  }

 private:
  Graph graph_;
};

// comp(s, c), host_comp(h, c) :- host_ls(h, s), comp(s, c), and needs(h, t) by both.
class Labels {
 public:
  void exists(uint32_t on, int sign) {
    if (sign > 0) label(on, on);
  }

  void link(uint32_t router, uint32_t on, int sign) {
    if (!graph_.link(router, on, sign) || graph_.right.empty()) return;
    const uint32_t left = *std::min_element(graph_.left.begin(), graph_.left.end());
    const uint32_t right = *std::min_element(graph_.right.begin(), graph_.right.end());
    const uint32_t both = std::min(left, right);
    for (const uint32_t one : graph_.left) label(one, sign > 0 ? both : left);
    for (const uint32_t one : graph_.right) label(one, sign > 0 ? both : right);
  }

  void host(uint32_t host, uint32_t on, int sign, CountedSet<2>&) {
    host_comp_.change({host, settled_[on]}, sign);
  }

  void full(const Lists& hosts, CountedSet<2>& needs) {
    settle_labels(hosts, needs);
    host_comp_.flush();
    host_comp_.for_each([&](const Row<2>& row) { add_host(row, 1, needs); });
  }

  void prepare() { host_comp_.track(true); }

  void settle(const Lists& hosts, CountedSet<2>& needs) {
    settle_labels(hosts, needs);
    host_comp_.settle();
    each_change(host_comp_, [&](const Row<2>& row, int sign) { add_host(row, sign, needs); });
  }

  void report(Tables& tables) const {
    tables.add("comp", comp_);
    tables.add("host_comp", host_comp_);
  }

 private:
  static constexpr uint32_t kNone = ~0u;

  void label(uint32_t on, uint32_t to) {
    comp_.track(true);
    if (on >= labels_.size()) labels_.resize(on + 1, kNone);
    if (labels_[on] == to) return;
    if (labels_[on] != kNone) comp_.change({on, labels_[on]}, -1);
    comp_.change({on, to}, 1);
    labels_[on] = to;
  }

  void settle_labels(const Lists& hosts, CountedSet<2>& needs) {
    comp_.settle();
    settled_.resize(labels_.size());
    each_change(comp_, [&](const Row<2>& row, int sign) {
      const auto [on, to] = row;
      for (const uint32_t host : hosts[on]) host_comp_.change({host, to}, sign);
      for (const uint32_t host : hosts_[to]) needs.change({host, on}, sign);
      members_.change(to, on, sign);
      settled_[on] = to;
    });
  }

  void add_host(const Row<2>& row, int sign, CountedSet<2>& needs) {
    hosts_.change(row[1], row[0], sign);
    for (const uint32_t on : members_[row[1]]) needs.change({row[0], on}, sign);
  }

  Graph graph_;
  std::vector<uint32_t> labels_, settled_;  // by switch: now, and as `members_` has it
  CountedSet<2> comp_, host_comp_;
  Lists members_, hosts_;  // by label
};

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_CONNECTIONS_H_
