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

// Which of `count` items make up the page that `query` asks for, in order. `item_at(i)` is item i, a message of the type that the query was
// parsed for; it is looked at before the next one is asked for. `name_of(item)` is what breaks ties. REQUIRES: no two have one name.
template <typename ItemAt, typename NameOf, typename Response>
absl::StatusOr<std::vector<size_t>> SelectPage(const PageTokens& tokens, const ListQuery& query, size_t count, const ItemAt& item_at,
                                               const NameOf& name_of, Response& response) {
  struct Keyed {
    std::string key;
    size_t index;
  };
  std::vector<Keyed> matching;
  for (size_t i = 0; i < count; ++i) {
    const auto& item = item_at(i);
    if (query.filter.Matches(item)) matching.push_back({query.order.KeyOf(item, name_of(item)), i});
  }
  std::ranges::sort(matching, {}, &Keyed::key);
  CULVERT_ASSIGN_OR_RETURN(const PageRange page, FindPage(tokens, query.page_size, query.page_token, query.arguments, matching.size(),
                                                          [&](size_t i) -> const std::string& { return matching[i].key; }));
  response.set_next_page_token(page.next_token);
  response.set_total_size(static_cast<int32_t>(matching.size()));
  std::vector<size_t> selected;
  for (size_t i = page.begin; i < page.end; ++i) selected.push_back(matching[i].index);
  return selected;
}

// The page of `items` that the query asks for: `add(Item&)` is called for each, in order, after the mask was applied.
template <typename Item, typename NameOf, typename Add, typename Response>
absl::Status FillList(const PageTokens& tokens, const ListQuery& query, std::vector<Item>& items, const NameOf& name_of, const Add& add,
                      Response& response) {
  const auto item_at = [&](size_t i) -> const Item& { return items[i]; };
  CULVERT_ASSIGN_OR_RETURN(const std::vector<size_t> selected, SelectPage(tokens, query, items.size(), item_at, name_of, response));
  for (const size_t i : selected) {
    query.mask.Trim(items[i]);
    add(items[i]);
  }
  return absl::OkStatus();
}

}  // namespace culvert::server
