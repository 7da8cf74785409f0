"""Tags: at creation, later, and in describe answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vpnmigrate.sandbox.ec2.ids import ApiError, ResourceKind, invalid_value, kind_of
from vpnmigrate.sandbox.ec2.request import Params, Result, Row, page, required, selected
from vpnmigrate.sandbox.state import WorldState

_MOST, _LONGEST_KEY, _LONGEST_VALUE = 50, 128, 256


def tag_rows(state: WorldState, resource: str) -> list[Row]:
    """Return a resource's tags as in a describe answer."""
    return [{"Key": key, "Value": value} for key, value in state.tags.get(resource, {}).items()]


def tags_at_creation(params: Params, kind: ResourceKind) -> dict[str, str]:
    """Return the tags that a create call sets on the new resource.

    Raises:
        ApiError: The tags are for another kind of resource, or a tag is invalid.
    """
    tags: dict[str, str] = {}
    for each in params.get("TagSpecifications") or ():
        if each.get("ResourceType") != kind.type:
            raise invalid_value(
                f"'{each.get('ResourceType')}' is not a valid taggable resource type "
                "for this operation."
            )
        tags |= _read(each.get("Tags") or ())
    _check_number(tags)
    return tags


def create_tags(state: WorldState, params: Params) -> Result:
    """CreateTags."""
    resources = _resources(state, params)
    tags = _read(params.get("Tags") or ())
    for resource in resources:
        _check_number({**state.tags.get(resource, {}), **tags})
    for resource in resources:
        state.tags.setdefault(resource, {}).update(tags)
    return {}


def delete_tags(state: WorldState, params: Params) -> Result:
    """DeleteTags, by key, or by key and value; without tags it deletes all but ``aws:`` tags."""
    resources = _resources(state, params)
    wanted = params.get("Tags")
    _refuse_reserved(tag["Key"] for tag in wanted or ())
    for resource in resources:
        held = state.tags.get(resource, {})
        doomed = [{"Key": key} for key in held] if wanted is None else wanted
        for tag in doomed:
            key, value = tag["Key"], tag.get("Value")
            reserved = key.lower().startswith("aws:")
            if key in held and value in (None, held[key]) and not reserved:
                del held[key]
    return {}


_FILTERS = {
    "key": "Key",
    "resource-id": "ResourceId",
    "resource-type": "ResourceType",
    "value": "Value",
}


def describe_tags(state: WorldState, params: Params) -> Result:
    """DescribeTags."""
    rows = [
        {"ResourceId": resource, "ResourceType": kind_of(resource).type, **tag}
        for resource in sorted(state.tags)
        for tag in tag_rows(state, resource)
    ]
    chosen = selected(rows, params, _FILTERS)
    return page(chosen, params, "Tags", bounds=(5, 1000), size=1000)


def _resources(state: WorldState, params: Params) -> Sequence[str]:
    required(params, "Resources")
    resources: Sequence[str] = params["Resources"]
    for resource in resources:
        if not _exists(state, resource):
            raise kind_of(resource).unknown(resource)
    return resources


def _exists(state: WorldState, resource: str) -> bool:
    living = (state.gateways, state.connections, state.customer_gateways, state.vpcs, state.subnets)
    return resource in state.tables or any(
        resource in things and state.is_there(things[resource]) for things in living
    )


def _read(tags: Iterable[Row]) -> dict[str, str]:
    read = {tag["Key"]: tag.get("Value", "") for tag in tags}
    _refuse_reserved(read)
    for key, value in read.items():
        if not 0 < len(key) <= _LONGEST_KEY:
            raise invalid_value("Tag key exceeds the maximum length of 128 characters")
        if len(value) > _LONGEST_VALUE:
            raise invalid_value("Tag value exceeds the maximum length of 256 characters")
    return read


def _refuse_reserved(keys: Iterable[str]) -> None:
    if any(key.lower().startswith("aws:") for key in keys):
        raise invalid_value("Tag keys starting with 'aws:' are reserved for internal use")


def _check_number(tags: dict[str, str]) -> None:
    own = [key for key in tags if not key.lower().startswith("aws:")]
    if len(own) > _MOST:
        raise ApiError("TagLimitExceeded", "The maximum number of tags on a resource is 50")
