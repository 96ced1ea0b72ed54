// The floor: each workload as a specialist would write it by hand, and nothing besides.
//
//     floor WORKLOAD FACTS SCRIPT [sums|each]
//
// Reads a job, runs it, prints the answer as JSON; see job.h. Not part of the product.

#include <cstdio>

#include "benchmarks/floor/closure.h"
#include "benchmarks/floor/connections.h"
#include "benchmarks/floor/job.h"
#include "benchmarks/floor/nvp.h"
#include "benchmarks/floor/points_to.h"

int main(int count, char** arguments) {
  const floor_::Job job = floor_::read_job(count, arguments);
  if (job.workload == "nvp") {
    floor_::run<floor_::Nvp<floor_::Direct>>(job);
  } else if (job.workload == "nvp-routers") {
    floor_::run<floor_::Nvp<floor_::Rows>>(job);
  } else if (job.workload == "nvp-components") {
    floor_::run<floor_::Nvp<floor_::Labels>>(job);
  } else if (job.workload.starts_with("closure-")) {
    floor_::run<floor_::Closure>(job);
  } else if (job.workload == "points-to") {
    floor_::run<floor_::PointsTo>(job);
  } else {
    std::fprintf(stderr, "floor: there is no workload %s\n", job.workload.c_str());
    return 1;
  }
  return 0;
}
