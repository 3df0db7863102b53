// CompareApis goes through the files as they are nested: file, then its messages, enums, services and options; a message's fields and oneofs.
#include "tests/unit/proto/api_changes.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "culvert/v1/options.pb.h"

namespace culvert::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::OneofDescriptor;
using google::protobuf::ServiceDescriptor;

// The type as a proto would say it: "repeated culvert.v1.Object".
std::string TypeText(const FieldDescriptor& field) {
  std::string text = field.is_map() ? "map " : field.is_repeated() ? "repeated " : field.is_required() ? "required " : "";
  if (field.message_type() != nullptr) return text + field.message_type()->full_name();
  if (field.enum_type() != nullptr) return text + field.enum_type()->full_name();
  return text + field.type_name();
}

std::string OneofText(const FieldDescriptor& field) {
  const OneofDescriptor* oneof = field.real_containing_oneof();
  return oneof != nullptr ? "oneof " + oneof->name() : "no oneof";
}

std::string StreamText(const MethodDescriptor& method) {
  const auto side = [](bool streams, const Descriptor& type) { return (streams ? "stream " : "") + type.full_name(); };
  return absl::StrCat("(", side(method.client_streaming(), *method.input_type()), ") returns (",
                      side(method.server_streaming(), *method.output_type()), ")");
}

const v1::MethodRules& RulesOf(const MethodDescriptor& method) { return method.options().GetExtension(v1::method_rules); }

class Comparison {
 public:
  explicit Comparison(const DescriptorPool& now) : now_(now) {}

  void Compare(const FileDescriptor& before) {
    const FileDescriptor* now = now_.FindFileByName(before.name());
    if (now == nullptr) return Break(before.name(), "the file is gone");
    if (now->package() != before.package()) Break(before.name(), absl::StrCat("the package was ", before.package(), " and is ", now->package()));
    for (int i = 0; i < before.message_type_count(); ++i) {
      CompareTop(*before.message_type(i), now_.FindMessageTypeByName(before.message_type(i)->full_name()));
    }
    for (int i = 0; i < before.enum_type_count(); ++i) {
      CompareTop(*before.enum_type(i), now_.FindEnumTypeByName(before.enum_type(i)->full_name()));
    }
    for (int i = 0; i < before.service_count(); ++i) {
      CompareTop(*before.service(i), now_.FindServiceByName(before.service(i)->full_name()));
    }
    for (int i = 0; i < before.extension_count(); ++i) {
      CompareTop(*before.extension(i), now_.FindExtensionByName(before.extension(i)->full_name()));
    }
    AddNew(before, *now);
  }
  ApiChanges Take() { return std::move(changes_); }

 private:
  // What stands at the top of a file must also stay in it: generated code is included by the file's name.
  template <typename Thing>
  void CompareTop(const Thing& before, const Thing* now) {
    if (now == nullptr) return Break(before.full_name(), "is gone");
    const auto same_file = before.file()->name() == now->file()->name();
    if (!same_file) {
      Break(before.full_name(), absl::StrCat("was in ", before.file()->name(), " and is in ", now->file()->name()));
    }
    Compare(before, *now);
  }

  void Compare(const Descriptor& before, const Descriptor& now) {
    for (int i = 0; i < before.field_count(); ++i) CompareField(before, *before.field(i), now);
    for (int i = 0; i < before.nested_type_count(); ++i) {
      if (before.nested_type(i)->options().map_entry()) continue;  // part of the field's type
      CompareNested(*before.nested_type(i), now.FindNestedTypeByName(before.nested_type(i)->name()));
    }
    for (int i = 0; i < before.enum_type_count(); ++i) {
      CompareNested(*before.enum_type(i), now.FindEnumTypeByName(before.enum_type(i)->name()));
    }
    CompareReservations(before, now);
    for (int i = 0; i < now.field_count(); ++i) {
      if (before.FindFieldByNumber(now.field(i)->number()) == nullptr) changes_.additions.push_back(now.field(i)->full_name());
    }
    for (int i = 0; i < now.nested_type_count(); ++i) {
      const Descriptor& nested = *now.nested_type(i);
      if (nested.options().map_entry() || before.FindNestedTypeByName(nested.name()) != nullptr) continue;
      changes_.additions.push_back(nested.full_name());
    }
    for (int i = 0; i < now.enum_type_count(); ++i) {
      if (before.FindEnumTypeByName(now.enum_type(i)->name()) == nullptr) changes_.additions.push_back(now.enum_type(i)->full_name());
    }
  }

  template <typename Thing>
  void CompareNested(const Thing& before, const Thing* now) {
    if (now == nullptr) return Break(before.full_name(), "is gone");
    Compare(before, *now);
  }

  void CompareField(const Descriptor& message, const FieldDescriptor& before, const Descriptor& now_message) {
    const FieldDescriptor* now = now_message.FindFieldByNumber(before.number());
    if (now != nullptr && now->name() == before.name()) return Compare(before, *now);
    if (const FieldDescriptor* moved = now_message.FindFieldByName(before.name()); moved != nullptr) {
      Break(before.full_name(), absl::StrCat("its number was ", before.number(), " and is ", moved->number()));
      return Compare(before, *moved);
    }
    if (now == nullptr) return Break(before.full_name(), "is gone");
    Break(before.full_name(), absl::StrCat("is called ", now->name(), " (", message.name(), "'s field ", before.number(), ")"));
    Compare(before, *now);
  }

  // Fields of a message, and options.
  void Compare(const FieldDescriptor& before, const FieldDescriptor& now) {
    const auto same = [&](const std::string& what, const std::string& was, const std::string& is) {
      if (was != is) Break(before.full_name(), absl::StrCat(what, " was ", was, " and is ", is));
    };
    const auto presence = [](const FieldDescriptor& field) -> std::string { return field.has_presence() ? "explicit" : "implicit"; };
    if (before.is_extension()) {
      same("its number", absl::StrCat(before.number()), absl::StrCat(now.number()));
      same("what it extends", before.containing_type()->full_name(), now.containing_type()->full_name());
    }
    same("its type", TypeText(before), TypeText(now));
    same("its presence", presence(before), presence(now));
    same("its oneof", OneofText(before), OneofText(now));
    if (before.name() == now.name()) same("its name in JSON", before.json_name(), now.json_name());
    if (before.is_map() && now.is_map()) {
      Compare(*before.message_type()->map_key(), *now.message_type()->map_key());
      Compare(*before.message_type()->map_value(), *now.message_type()->map_value());
    }
  }

  void CompareReservations(const Descriptor& before, const Descriptor& now) {
    for (int i = 0; i < before.reserved_range_count(); ++i) {
      for (int number = before.reserved_range(i)->start; number < before.reserved_range(i)->end; ++number) {
        if (!now.IsReservedNumber(number)) Break(before.full_name(), absl::StrCat("the number ", number, " is not reserved any more"));
      }
    }
    for (int i = 0; i < before.reserved_name_count(); ++i) {
      const std::string& name = before.reserved_name(i);
      if (!now.IsReservedName(name)) Break(before.full_name(), absl::StrCat("the name ", name, " is not reserved any more"));
    }
  }

  void Compare(const EnumDescriptor& before, const EnumDescriptor& now) {
    for (int i = 0; i < before.value_count(); ++i) {
      const EnumValueDescriptor& value = *before.value(i);
      if (const EnumValueDescriptor* same = now.FindValueByName(value.name()); same != nullptr) {
        if (same->number() == value.number()) continue;
        Break(value.full_name(), absl::StrCat("its number was ", value.number(), " and is ", same->number()));
        continue;
      }
      const EnumValueDescriptor* renamed = now.FindValueByNumber(value.number());
      Break(value.full_name(), renamed != nullptr ? absl::StrCat("is called ", renamed->name()) : "is gone");
    }
    for (int i = 0; i < now.value_count(); ++i) {
      if (before.FindValueByNumber(now.value(i)->number()) == nullptr) changes_.additions.push_back(now.value(i)->full_name());
    }
  }

  void Compare(const ServiceDescriptor& before, const ServiceDescriptor& now) {
    for (int i = 0; i < before.method_count(); ++i) {
      const MethodDescriptor& method = *before.method(i);
      const MethodDescriptor* same = now.FindMethodByName(method.name());
      if (same == nullptr) {
        Break(method.full_name(), "is gone");
        continue;
      }
      CompareMethod(method, *same);
    }
    for (int i = 0; i < now.method_count(); ++i) {
      if (before.FindMethodByName(now.method(i)->name()) == nullptr) changes_.additions.push_back(now.method(i)->full_name());
    }
  }

  void CompareMethod(const MethodDescriptor& before, const MethodDescriptor& now) {
    const std::string was = StreamText(before), is = StreamText(now);
    if (was != is) Break(before.full_name(), absl::StrCat("was ", was, " and is ", is));
    const v1::MethodRules& rules = RulesOf(before);
    if (rules.role() != RulesOf(now).role()) {
      Break(before.full_name(), absl::StrCat("needed ", v1::Role_Name(rules.role()), " and needs ", v1::Role_Name(RulesOf(now).role())));
    }
    if (rules.audited() && !RulesOf(now).audited()) Break(before.full_name(), "is not audited any more");
  }

  void AddNew(const FileDescriptor& before, const FileDescriptor& now) {
    const auto add = [this](const auto* known, const auto& thing) {
      if (known == nullptr) changes_.additions.push_back(thing.full_name());
    };
    for (int i = 0; i < now.message_type_count(); ++i) add(before.FindMessageTypeByName(now.message_type(i)->name()), *now.message_type(i));
    for (int i = 0; i < now.enum_type_count(); ++i) add(before.FindEnumTypeByName(now.enum_type(i)->name()), *now.enum_type(i));
    for (int i = 0; i < now.service_count(); ++i) add(before.FindServiceByName(now.service(i)->name()), *now.service(i));
  }

  void Break(const std::string& what, const std::string& how) { changes_.breaking.push_back(absl::StrCat(what, ": ", how)); }

  const DescriptorPool& now_;
  ApiChanges changes_;
};

}  // namespace

ApiChanges CompareApis(const std::vector<const FileDescriptor*>& before, const DescriptorPool& now) {
  Comparison comparison(now);
  for (const FileDescriptor* file : before) comparison.Compare(*file);
  return comparison.Take();
}

}  // namespace culvert::testing
