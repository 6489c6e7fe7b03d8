"""The standard activity types of an instance. Ids are stable in practice; which of them exist varies."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["standard_activity_types"]

_CALL: Final = "API Method Name:string,Modifying User:string,Request Id:string"
_WHY: Final = "Reason:string,Source:string"

# id | name | primary attribute:type | attributes. Source: activities.md and a recorded type list.
_TABLE: Final = f"""
1|Visit Webpage|Webpage ID:integer|Client IP Address:string,Query Parameters:string,Referrer URL:string
2|Fill Out Form|Webform ID:integer|Client IP Address:string,Form Fields:text,Query Parameters:string
3|Click Link|Link ID:integer|Client IP Address:string,Query Parameters:string,Referrer URL:string
6|Send Email|Mailing ID:integer|Campaign Run ID:integer,Choice Number:integer
7|Email Delivered|Mailing ID:integer|Campaign Run ID:integer,Choice Number:integer
8|Email Bounced|Mailing ID:integer|Category:string,Details:string,Email:string
9|Unsubscribe Email|Mailing ID:integer|Client IP Address:string,Webform ID:integer
10|Open Email|Mailing ID:integer|Device:string,Platform:string,User Agent:string
11|Click Email|Mailing ID:integer|Device:string,Link:string,Platform:string
12|New Lead||Created Date:date,Form Name:string,Lead Source:string,List Name:string,Source Type:string,{_CALL}
13|Change Data Value|Attribute Name:string|New Value:string,Old Value:string,{_WHY},{_CALL}
22|Change Score|Score Name:string|Change Value:string,New Value:integer,Old Value:integer,{_WHY},{_CALL}
24|Add to List|List ID:integer|Source:string
25|Remove from List|List ID:integer|Source:string
27|Email Bounced Soft|Mailing ID:integer|Category:string,Details:string,Email:string
32|Merge Leads|Lead ID:integer|Master Updated:boolean,Merge IDs:string,Merge Source:string,Merged in Sales:boolean
37|Delete Lead|Lead ID:integer|Campaign:string,Delete in Sales:boolean
47|Request Campaign|Campaign ID:integer|Source:string
100|Change Lead Partition|Partition ID:integer|New Partition ID:integer,Old Partition ID:integer,Reason:string
104|Change Status in Progression|Program ID:integer|New Status:string,Old Status:string,Reason:string
"""


def _attribute(text: str) -> dict[str, Any]:
    name, data_type = text.split(":")
    return {"name": name, "dataType": data_type}


def _type(line: str) -> dict[str, Any]:
    number, name, primary, attributes = line.split("|")
    item: dict[str, Any] = {"id": int(number), "name": name, "description": name}
    if primary:
        item["primaryAttribute"] = _attribute(primary)
    item["attributes"] = [_attribute(one) for one in attributes.split(",")]
    return item


def standard_activity_types() -> list[dict[str, Any]]:
    """Return the items of Get Activity Types for everything that is not custom; New Lead has no primary attribute."""
    return [_type(line) for line in _TABLE.strip().splitlines()]
