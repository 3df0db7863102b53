#include "server/tls_reload.h"

#include <gmock/gmock.h>

#include "tests/unit/server/tls_objects.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TlsReloadTest : public ::testing::Test {
 protected:
  TlsReloadTest() { files_.Put(first_); }

  // Puts an object into the table as a plan would.
  EntryPtr Add(const v1::Object& object) {
    const TlsUse use = TlsUseOf(object, "spec.tls");
    const v1::TlsSpec& spec = *TlsOf(object);
    const auto files = ReadTlsFiles(spec, use, files_.Reader(), hash_);
    EXPECT_TRUE(files.ok()) << files.status();
    TlsResult made = MakeTlsContext(spec, use, *files);
    EXPECT_FALSE(made.fault) << made.fault->description;
    auto entry = std::make_shared<Entry>();
    entry->object = object;
    entry->incarnation = 7;
    entry->tls = made.context;
    entry->tls_fingerprint = files->fingerprint;
    table_.Put(entry);
    return entry;
  }
  std::vector<EntryPtr> Look() { return reload_.Look(table_, files_.Reader(), hash_); }
  static std::string PinOf(const Entry& entry) { return tls::FormatSpkiPin(entry.tls->own_certificate()->spki); }

  const Certificate ca_ = MakeCa("test CA");
  const Certificate first_ = MakeLeaf(ca_, {"far.example"});
  const Certificate second_ = MakeLeaf(ca_, {"far.example"});
  const KeyedHash hash_{{1, 2}};
  MemoryFiles files_;
  ObjectTable table_;
  TlsReload reload_;
};

TEST_F(TlsReloadTest, NothingChangesWhileFilesAreTheSame) {
  const EntryPtr entry = Add(TlsListener("l", kShows));
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(reload_.FaultOf(*entry), "");
}

TEST_F(TlsReloadTest, ReadsEachFileOnceALook) {
  Add(TlsListener("a", kShows));
  Add(TlsListener("b", kShows));
  files_.reads = 0;
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(files_.reads, 2);
  files_.Put(second_);
  files_.reads = 0;
  EXPECT_THAT(Look(), SizeIs(2));
  EXPECT_EQ(files_.reads, 2);
}

TEST_F(TlsReloadTest, ARenewedSetIsAnEntryOfTheSameIncarnation) {
  Add(TlsListener("l", kShows));
  files_.Put(second_);
  const std::vector<EntryPtr> renewed = Look();
  ASSERT_THAT(renewed, SizeIs(1));
  EXPECT_EQ(renewed[0]->incarnation, 7u);
  EXPECT_EQ(PinOf(*renewed[0]), second_.pin);
  table_.Put(renewed[0]);
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(TlsReloadTest, ARenewedTrustFileIsNoticedToo) {
  files_.content["/t"] = ca_.certificate_pem;
  Add(TlsDialer("d", "trust_file: '/t'"));
  files_.content["/t"] = MakeCa("another CA").certificate_pem;
  EXPECT_THAT(Look(), SizeIs(1));
}

TEST_F(TlsReloadTest, ASetThatIsHalfReplacedIsWaitedFor) {
  const EntryPtr entry = Add(TlsListener("l", kShows));
  files_.content["/k"] = second_.private_key_pem;
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(reload_.FaultOf(*entry), "") << "at the first look it is no fault yet";
  files_.content["/c"] = second_.chain_pem;
  EXPECT_THAT(Look(), SizeIs(1));
  EXPECT_EQ(reload_.FaultOf(*entry), "");
}

TEST_F(TlsReloadTest, ASetThatStaysBrokenIsAFaultUntilItIsMended) {
  const EntryPtr entry = Add(TlsListener("l", kShows));
  files_.content["/k"] = second_.private_key_pem;
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(reload_.FaultOf(*entry), HasSubstr("spec.tls.private_key_file"));
  EXPECT_THAT(reload_.FaultOf(*entry), ::testing::Not(HasSubstr("-----")));
  EXPECT_EQ(PinOf(*table_.Find(KeyOf(entry->object))), first_.pin);
  files_.Put(first_);
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(reload_.FaultOf(*entry), "");
}

TEST_F(TlsReloadTest, AFileThatIsGoneIsAFaultToo) {
  const EntryPtr entry = Add(TlsListener("l", kShows));
  files_.content.erase("/c");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(reload_.FaultOf(*entry), HasSubstr("/c: none"));
}

TEST_F(TlsReloadTest, AnotherEntryStartsAnew) {
  const EntryPtr entry = Add(TlsListener("l", kShows));
  files_.content["/k"] = "nonsense";
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_NE(reload_.FaultOf(*entry), "");
  files_.Put(second_);
  const EntryPtr next = Add(TlsListener("l", kShows));
  EXPECT_EQ(reload_.FaultOf(*next), "");
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(reload_.FaultOf(*entry), "");
}

}  // namespace
}  // namespace culvert::server
