"""Microsoft's own Python client against the sandbox: a second opinion on every shape it parses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msal
import pytest
from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.upsert import UpsertItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.sandbox import Sandbox


class MsalCredential:
    """A credential as azure-identity makes them, on real MSAL."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._app = msal.ConfidentialClientApplication(
            sandbox.credentials.dynamics_client_id,
            client_credential=sandbox.credentials.dynamics_client_secret,
            authority=f"{sandbox.authority}/{sandbox.credentials.tenant_id}",
            instance_discovery=False,
            verify=sandbox.ca_bundle,
        )

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """Return a token for the scopes."""
        result = self._app.acquire_token_for_client(scopes=list(scopes))
        return AccessToken(result["access_token"], result["expires_in"])


@pytest.fixture
def client(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataverseClient]:
    """Return the client, trusting the sandbox's CA the only way it offers."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", sandbox.ca_bundle)
    with DataverseClient(sandbox.dynamics_url, MsalCredential(sandbox)) as client:
        yield client


def test_create_and_retrieve(sandbox, client):
    """A row created by the client is there, computed columns included."""
    made = client.records.create("contact", {"firstname": "Ana", "lastname": "O'Hara", "donotemail": True})

    found = client.records.retrieve("contact", made, select=["fullname", "donotemail"])

    assert found["fullname"] == "Ana O'Hara"
    assert sandbox.dynamics.row("contact", made)["donotemail"] is True


def test_create_many_returns_ids_in_order(sandbox, client):
    """CreateMultiple gives one id per row, in the order of the rows."""
    ids = client.records.create("contact", [{"lastname": f"L{number}"} for number in range(3)])

    assert [sandbox.dynamics.row("contact", made)["lastname"] for made in ids] == ["L0", "L1", "L2"]


def test_labels_become_values(sandbox, client):
    """The client finds a choice's value by the label that metadata gives."""
    made = client.records.create("contact", {"lastname": "Ruiz", "familystatuscode": "Married"})

    assert sandbox.dynamics.row("contact", made)["familystatuscode"] == 2


def test_update_one_and_many(sandbox, client):
    """Both kinds of update change exactly the columns they name."""
    ids = client.records.create("contact", [{"lastname": "A", "jobtitle": "x"}, {"lastname": "B", "jobtitle": "x"}])

    client.records.update("contact", ids[0], {"jobtitle": "CEO"})
    client.records.update("contact", ids, [{"department": "one"}, {"department": "two"}])

    rows = [sandbox.dynamics.row("contact", made) for made in ids]
    assert [(row["lastname"], row["jobtitle"], row["department"]) for row in rows] == [
        ("A", "CEO", "one"),
        ("B", "x", "two"),
    ]


def test_update_of_an_absent_row_is_refused(client):
    """The client's update never creates: it sends If-Match."""
    with pytest.raises(HttpError) as refused:
        client.records.update("contact", "00000000-0000-4000-8000-000000000000", {"jobtitle": "CEO"})

    assert refused.value.status_code == 404


def test_delete(sandbox, client):
    """A deleted row is gone."""
    made = client.records.create("contact", {"lastname": "Ruiz"})

    client.records.delete("contact", made)

    assert sandbox.dynamics.row("contact", made) is None


def test_pages_hold_every_row_once(client):
    """Following the next links brings each row exactly once."""
    client.records.create("contact", [{"lastname": f"L{number}"} for number in range(11)])

    pages = list(client.records.list_pages("contact", select=["lastname"], page_size=4))

    names = [row["lastname"] for page in pages for row in page]
    assert [len(page) for page in pages] == [4, 4, 3]
    assert sorted(names) == sorted(f"L{number}" for number in range(11))


def test_query_builder_filters_order_and_expand(sandbox, client):
    """What the client's query builder writes is understood."""
    account = sandbox.dynamics.create("account", {"name": "Contoso"})
    sandbox.dynamics.create("contact", {"lastname": "Alba", "parentcustomerid": ("account", account)})
    sandbox.dynamics.create("contact", {"lastname": "Berg", "jobtitle": "CEO"})
    sandbox.dynamics.create("contact", {"lastname": "Cruz"})

    builder = client.query.builder("contact").select("lastname").expand("parentcustomerid_account")
    wanted = col("lastname").in_(["alba", "BERG"]) & (col("statecode") == 0)
    found = list(builder.where(wanted).order_by("lastname", descending=True).execute())

    assert [row["lastname"] for row in found] == ["Berg", "Alba"]
    assert found[1]["parentcustomerid_account"]["name"] == "Contoso"


def test_upsert_by_alternate_key(sandbox, client):
    """An upsert creates the first time and updates the second."""
    sandbox.dynamics.add_key("account", "by_number", "accountnumber")
    item = UpsertItem(alternate_key={"accountnumber": "A-17"}, record={"name": "Contoso"})

    client.records.upsert("account", [item])
    client.records.upsert("account", [UpsertItem(alternate_key={"accountnumber": "A-17"}, record={"name": "Fabrikam"})])

    assert [row["name"] for row in sandbox.dynamics.find("account", accountnumber="a-17")] == ["Fabrikam"]


def test_upsert_many(sandbox, client):
    """Several upserts travel as one action."""
    sandbox.dynamics.add_key("account", "by_number", "accountnumber")
    items = [UpsertItem(alternate_key={"accountnumber": f"A-{n}"}, record={"name": f"N{n}"}) for n in range(3)]

    client.records.upsert("account", items)

    assert sorted(row["name"] for row in sandbox.dynamics.rows("account")) == ["N0", "N1", "N2"]


def test_batch_answers_each_operation(sandbox, client):
    """A batch that goes on after errors has one result per operation, in order."""
    existing = client.records.create("contact", {"lastname": "Ruiz"})
    batch = client.batch.new()
    batch.records.create("contact", {"lastname": "Made"})
    batch.records.update("contact", "00000000-0000-4000-8000-000000000000", {"jobtitle": "x"})
    batch.records.update("contact", existing, {"jobtitle": "CEO"})
    batch.records.retrieve("contact", existing, select=["jobtitle"])
    batch.records.delete("contact", existing)

    result = batch.execute(continue_on_error=True)

    assert [response.status_code for response in result.responses] == [204, 404, 204, 200, 204]
    assert result.responses[3].data["jobtitle"] == "CEO"
    assert len(result.entity_ids) >= 1
    assert sandbox.dynamics.row("contact", existing) is None


def test_change_set_is_one_transaction(sandbox, client):
    """A refused operation takes the whole change set back; a later one may refer to an earlier one's result."""
    batch = client.batch.new()
    with batch.changeset() as changes:
        account = changes.records.create("account", {"name": "Contoso"})
        changes.records.create("contact", {"lastname": "Ruiz", "parentcustomerid_account@odata.bind": account})
    assert not batch.execute().has_errors
    assert len(sandbox.dynamics.find("contact", lastname="Ruiz")) == 1

    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": "Fabrikam"})
        changes.records.create("contact", {"lastname": "x" * 51})
    assert batch.execute().has_errors
    assert sandbox.dynamics.find("account", name="Fabrikam") == []


def test_refusals_carry_the_vendors_code(client):
    """The client reads the code and text of a refusal from the envelope."""
    with pytest.raises(HttpError) as refused:
        client.records.create("contact", {"jobtitle": "x" * 101})

    assert refused.value.status_code == 400
    assert "exceeded the maximum allowed length of '100'" in str(refused.value)


def test_table_definition(client):
    """The client finds a table's entity set and key in the metadata."""
    info = client.tables.get("contact")

    assert info["entity_set_name"] == "contacts"


def test_bulk_delete_is_not_built(client):
    """What is not built is answered with 501 by name."""
    ids = client.records.create("contact", [{"lastname": "A"}, {"lastname": "B"}])

    with pytest.raises(HttpError) as refused:
        client.records.delete("contact", ids)

    assert refused.value.status_code == 501
