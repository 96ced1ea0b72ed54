// Addresses as text: what is read and printed, and what is refused.

#include "check.h"
#include "nlog/engine/core/text.h"

namespace nlog::core {
namespace {

TEST(MacsAreReadAndPrinted) {
  CHECK(ParseMac("0a:00:00:00:00:01") == 0x0A0000000001);
  CHECK(ParseMac("FF:ff:Ff:fF:ff:ff") == kMacMax);
  CHECK(FormatMac(0x0A0000000001) == "0a:00:00:00:00:01");
  for (const char* text : {"", "0a:00:00:00:00", "0a:00:00:00:00:0g", "0a-00-00-00-00-01",
                           "0a:00:00:00:00:001", "0a:00:00:00:00:01:02", "00000000000000000"}) {
    CHECK(!ParseMac(text));
  }
}

TEST(AddressesAreReadAndPrinted) {
  CHECK(ParseIp4("10.0.0.1") == 0x0A000001);
  CHECK(ParseIp4("255.255.255.255") == kIp4Max);
  CHECK(FormatIp4(0x0A000001) == "10.0.0.1");
  for (const char* text :
       {"", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1.2",
        "10.0.0.-1", "10..0.1", "1e1.0.0.1", "99999999999999999999"}) {
    CHECK(!ParseIp4(text));
  }
}

TEST(PrefixesAreReadAndPrinted) {
  const std::optional<PrefixParts> parts = ParsePrefix("10.0.0.1/24");
  CHECK(parts && parts->ip4 == 0x0A000001 && parts->length == 24);
  CHECK(FormatPrefix(MakePrefix(0x0A000001, 24)) == "10.0.0.0/24");
  CHECK(FormatPrefix(MakePrefix(0x0A000001, 32)) == "10.0.0.1/32");
  CHECK(FormatPrefix(MakePrefix(0x0A000001, 0)) == "0.0.0.0/0");
  CHECK(PrefixMask(0) == 0);
  CHECK(PrefixMask(1) == 0x80000000);
  CHECK(PrefixMask(32) == kIp4Max);
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/024",
                           "10.0.0.0/-1", "10.0.0.0/24 ", "10.0.0/24"}) {
    CHECK(!ParsePrefix(text));
  }
}

}  // namespace
}  // namespace nlog::core
