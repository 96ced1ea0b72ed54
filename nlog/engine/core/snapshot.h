// Snapshots: the state after one commit, readable while later commits go on.
//
// A database and its snapshots share a chain of versions, one a commit, each with the rows that the
// next commit brought and took away. A database holds the last of the chain, and a snapshot the one
// it was taken at and with it all that follow; a version that nobody holds goes. When a snapshot is
// read it walks to the end of the chain and keeps, of each table, the rows to be hidden from the
// present content and those to be restored: what came and went again cancels.
//
// Cost: taking one is O(1). While any lives, each commit copies the words of the rows it changes,
// in all tables, once for all snapshots; without one a commit does nothing. A read costs what the
// same read of the database does, a look-up a row more, and the changes since the last read.
// Memory: the words of the rows that changed since, and of those between that no read has walked
// past yet.
//
// Thread safety: that of the database, whose lock must be held, but for the destructor of a
// snapshot, which needs none.

#ifndef NLOG_ENGINE_CORE_SNAPSHOT_H_
#define NLOG_ENGINE_CORE_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "delta.h"
#include "table.h"
#include "words.h"

namespace nlog::core {

class Database;

// A state, and the way to the next one.
struct Version {
  Version() = default;
  Version(const Version&) = delete;
  Version& operator=(const Version&) = delete;
  // Without recursion, however long the chain that goes with it.
  ~Version();

  std::vector<Delta> changes;
  std::shared_ptr<Version> next;
};

class Snapshot {
 public:
  // The present state of a database, which must outlive the snapshot and keeps `version` the last
  // of its chain.
  Snapshot(const Database& database, std::shared_ptr<const Version> version)
      : database_(database), version_(std::move(version)) {}

  // The number of rows of a table.
  std::size_t Size(std::uint32_t table);
  bool Contains(std::uint32_t table, const Word* row);
  // The words of the rows whose columns have the given words, one row after the other, and how many
  // rows there are. Requires: as of Database::Select.
  std::pair<std::vector<Word>, std::size_t> Select(
      std::uint32_t table, std::span<const std::pair<std::uint32_t, Word>> where);

 private:
  using WordRow = std::vector<Word>;

  // What to change in the present content of a table to have it as it was.
  struct Overlay {
    std::set<WordRow> hidden;
    std::set<WordRow> restored;
  };

  void CatchUp();
  void Undo(const Delta& delta);

  const Database& database_;
  std::shared_ptr<const Version> version_;
  std::map<std::uint32_t, Overlay> overlays_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_SNAPSHOT_H_
