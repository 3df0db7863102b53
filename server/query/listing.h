// Listing: filter, order, read mask and page of any list of the API, in one place.
// Thread: any; a query is immutable after Parse.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "server/page.h"
#include "server/query/filter.h"
#include "server/query/order.h"
#include "server/query/read_mask.h"

namespace culvert::server {

struct ListQuery {
  Filter filter;
  Order order;
  ReadMask mask;
  int32_t page_size = 0;
  std::string page_token;
  std::string arguments;  // what a page token belongs to: all of the request that says which items and in which order

  // Whether which items there are and their order follows from their names alone.
  [[nodiscard]] bool IsByNameOnly() const { return filter.MatchesAll() && order.ByNameOnly(); }
};

// Of a List request for items of `type`; `arguments`: the collection and what else narrows the list, without zero bytes.
template <typename Request>
absl::StatusOr<ListQuery> ParseListQuery(const Request& request, const google::protobuf::Descriptor& type, const std::string& arguments) {
  ListQuery query;
  CULVERT_ASSIGN_OR_RETURN(query.filter, Filter::Parse(request.filter(), type));
  CULVERT_ASSIGN_OR_RETURN(query.order, Order::Parse(request.order_by(), type));
  CULVERT_ASSIGN_OR_RETURN(query.mask, ReadMask::Parse(request.read_mask(), type));
  CULVERT_RETURN_IF_ERROR(PageSize(request.page_size()).status());
  query.page_size = request.page_size();
  query.page_token = request.page_token();
  query.arguments = arguments;
  for (const std::string* part : {&request.filter(), &request.order_by()}) {
    query.arguments += '\0';
    query.arguments += *part;
  }
  return query;
}

// The page of `items` (messages of the type that the query was parsed for) that it asks for: `add(Item&)` is called for each, in
// order, after the mask was applied. `name_of(item)` is what breaks ties. REQUIRES: no two have one name.
template <typename Item, typename NameOf, typename Add, typename Response>
absl::Status FillList(const PageTokens& tokens, const ListQuery& query, std::vector<Item>& items, const NameOf& name_of, const Add& add,
                      Response& response) {
  struct Keyed {
    std::string key;
    Item* item;
  };
  std::vector<Keyed> matching;
  matching.reserve(items.size());
  for (Item& item : items) {
    if (query.filter.Matches(item)) matching.push_back({query.order.KeyOf(item, name_of(item)), &item});
  }
  std::ranges::sort(matching, {}, &Keyed::key);
  CULVERT_ASSIGN_OR_RETURN(const PageRange page, FindPage(tokens, query.page_size, query.page_token, query.arguments, matching.size(),
                                                          [&](size_t i) -> const std::string& { return matching[i].key; }));
  for (size_t i = page.begin; i < page.end; ++i) {
    query.mask.Trim(*matching[i].item);
    add(*matching[i].item);
  }
  response.set_next_page_token(page.next_token);
  response.set_total_size(static_cast<int32_t>(matching.size()));
  return absl::OkStatus();
}

}  // namespace culvert::server
