// The network workloads on the floor: `nvp`, `nvp-routers` and `nvp-components`.
//
// Everything is hard-coded: numbers of hosts, switches, routers and ports are dense and index
// vectors; a port is on one switch and on one host. Derived tables are counted sets, and a list by
// switch stands where a join needs one.
//
// A commit goes table by table in the order of the rules: it applies single changes, each joined
// with the lists as they are, then settles the counts of the next table, whose net changes are
// applied in turn. A list is brought up to date by the change that is joined, so each pair of
// changes is met exactly once. Exact by counting.
//
// How switches are connected is the one thing in which the three differ; see `Connection`.

#ifndef BENCHMARKS_FLOOR_NVP_H_
#define BENCHMARKS_FLOOR_NVP_H_

#include <utility>
#include <vector>

#include "benchmarks/floor/counted_set.h"
#include "benchmarks/floor/job.h"
#include "benchmarks/floor/lists.h"

namespace floor_ {

// The part that derives `needs` from `host_ls`, and is a workload's own:
//   link(r, s, sign), exists(s, sign)   changes of rport and ls
//   host(h, s, sign, needs)             changes of host_ls, told before `hosts` knows them
//   settle(hosts, needs)                what follows from link and exists
//   full(hosts, needs), prepare(), report(tables)
template <typename Connection>
class Nvp {
 public:
  void load(const Facts& facts) {
    for (uint32_t table = 0; table < facts.size(); ++table) {
      for (size_t at = 0; at < facts[table].size(); ++at) store(table, facts[table].row(at), 1);
    }
  }

  void full() {
    for (const Port& port : ports_) {
      if (port.is_whole()) host_ls_.change({port.host, port.on}, 1);
    }
    host_ls_.flush();
    host_ls_.for_each([&](const Row<2>& row) { hosts_.change(row[1], row[0], 1); });
    connection_.full(hosts_, needs_);
    needs_.flush();
    needs_.for_each([&](const Row<2>& row) { needing_.change(row[1], row[0], 1); });
    full_flows();
    full_tunnels();
    for (CountedSet<2>* table : {&host_ls_, &needs_, &tunnel_, &drop_flow_}) finish(*table);
    for (CountedSet<4>* table : {&l2flow_, &l2remote_}) finish(*table);
    connection_.prepare();
  }

  size_t commit(const std::vector<Change>& changes) {
    for (const Change& change : changes) propagate(change);
    host_ls_.settle();
    each_change(host_ls_, [&](const Row<2>& row, int sign) {
      const auto [host, on] = row;
      for (const uint32_t other : needing_[on]) {
        if (other != host) tunnel_.change({other, host}, sign);
      }
      connection_.host(host, on, sign, needs_);
      hosts_.change(on, host, sign);
    });
    connection_.settle(hosts_, needs_);
    needs_.settle();
    each_change(needs_, [&](const Row<2>& row, int sign) { need(row[0], row[1], sign); });
    for (CountedSet<2>* table : {&tunnel_, &drop_flow_}) table->settle();
    for (CountedSet<4>* table : {&l2flow_, &l2remote_}) table->settle();
    return tunnel_.delta.size() + l2flow_.delta.size() + l2remote_.delta.size() +
           drop_flow_.delta.size();
  }

  void report(Tables& tables) const {
    connection_.report(tables);
    tables.add("host_ls", host_ls_);
    tables.add("needs", needs_);
    tables.add("tunnel", tunnel_);
    tables.add("l2flow", l2flow_);
    tables.add("l2remote", l2remote_);
    tables.add("drop_flow", drop_flow_);
  }

 private:
  enum Input : uint32_t { kLs, kLport, kVif, kRport, kAllowed };
  static constexpr uint32_t kNone = ~0u;

  struct Port {
    uint32_t on = kNone;
    uint32_t mac = 0;
    uint32_t host = kNone;

    bool is_whole() const { return on != kNone && host != kNone; }
  };

  template <size_t N>
  static void finish(CountedSet<N>& table) {
    table.flush();
    table.track(true);
  }

  Port& port(uint32_t number) {
    if (number >= ports_.size()) ports_.resize(number + 1);
    return ports_[number];
  }

  bool is_allowed(uint32_t on) const { return on < allowed_.size() && allowed_[on]; }

  void store(uint32_t table, const uint32_t* row, int sign) {
    const bool there = sign > 0;
    if (table == kLs) {
      connection_.exists(row[0], sign);
    } else if (table == kRport) {
      connection_.link(row[0], row[1], sign);
    } else if (table == kLport) {
      port(row[0]).on = there ? row[1] : kNone;
      port(row[0]).mac = row[2];
      ports_of_.change(row[1], row[0], sign);
    } else if (table == kVif) {
      port(row[0]).host = there ? row[1] : kNone;
    } else {
      if (row[0] >= allowed_.size()) allowed_.resize(row[0] + 1);
      allowed_[row[0]] = there;
    }
  }

  void propagate(const Change& change) {
    const uint32_t* row = change.row.data();
    const bool whole_before =
        change.table == kVif || change.table == kLport ? port(row[0]).is_whole() : false;
    if (whole_before && change.sign < 0) place(row[0], -1);
    store(change.table, row, change.sign);
    if (change.table == kVif || change.table == kLport) {
      if (!whole_before && port(row[0]).is_whole()) place(row[0], 1);
    } else if (change.table == kAllowed) {
      for (const uint32_t host : needing_[row[0]]) {
        drop_flow_.change({host, row[0]}, -change.sign);
      }
    }
  }

  void place(uint32_t number, int sign) {
    const Port& placed = ports_[number];
    host_ls_.change({placed.host, placed.on}, sign);
    for (const uint32_t host : needing_[placed.on]) reach(host, number, sign);
  }

  void reach(uint32_t host, uint32_t number, int sign) {
    const Port& to = ports_[number];
    if (host == to.host) {
      l2flow_.change({host, to.on, to.mac, number}, sign);
    } else {
      l2remote_.change({host, to.on, to.mac, to.host}, sign);
    }
  }

  void need(uint32_t host, uint32_t on, int sign) {
    needing_.change(on, host, sign);
    for (const uint32_t other : hosts_[on]) {
      if (other != host) tunnel_.change({host, other}, sign);
    }
    need_flows(host, on, sign);
  }

  void need_flows(uint32_t host, uint32_t on, int sign) {
    for (const uint32_t number : ports_of_[on]) {
      if (ports_[number].host != kNone) reach(host, number, sign);
    }
    if (!is_allowed(on)) drop_flow_.change({host, on}, sign);
  }

  void full_flows() {
    size_t flows = 0;
    for (uint32_t on = 0; on < needing_.size(); ++on) {
      flows += needing_[on].size() * ports_of_[on].size();
    }
    l2remote_.reserve(flows);
    for (uint32_t on = 0; on < needing_.size(); ++on) {
      for (const uint32_t host : needing_[on]) need_flows(host, on, 1);
    }
  }

  // Host by host, so that the derivations of a row are counted in a small array, and each row
  // enters the table once.
  void full_tunnels() {
    Lists needed;
    needs_.for_each([&](const Row<2>& row) { needed.change(row[0], row[1], 1); });
    std::vector<int> count;
    std::vector<uint32_t> seen;
    const auto gather = [&](uint32_t host) {
      seen.clear();
      for (const uint32_t on : needed[host]) {
        for (const uint32_t other : hosts_[on]) {
          if (other >= count.size()) count.resize(other + 1);
          if (count[other]++ == 0) seen.push_back(other);
        }
      }
    };
    size_t rows = 0;
    for (uint32_t host = 0; host < needed.size(); ++host) {
      gather(host);
      rows += seen.size();
      for (const uint32_t other : seen) count[other] = 0;
    }
    tunnel_.reserve(rows);
    for (uint32_t host = 0; host < needed.size(); ++host) {
      gather(host);
      for (const uint32_t other : seen) {
        if (other != host) tunnel_.change({host, other}, count[other]);
        count[other] = 0;
      }
    }
  }

  Connection connection_;
  std::vector<Port> ports_;    // by port
  std::vector<bool> allowed_;  // by switch
  Lists ports_of_, hosts_, needing_;
  CountedSet<2> host_ls_, needs_, tunnel_, drop_flow_;
  CountedSet<4> l2flow_, l2remote_;
};

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_NVP_H_
