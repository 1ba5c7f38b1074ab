import re

import pytest
from jsonschema import Draft202012Validator

from api.prds.events import PrdChanged
from api.webhooks.catalogue import find
from tests.prds.support import SEARCH, changed, drafted, told
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace, made
from workers.deliver import Courier


async def test_a_prd_holds_the_typed_sections_of_the_template(workspace: Workspace) -> None:
    prd = await drafted(
        workspace,
        user_stories=[{"as_a": "author", "i_can": "find a draft", "so_that": "I go on", "priority": "p1"}],
        risks=[{"description": "The index is stale", "probability": 0.25, "impact": 8, "mitigation": "Refresh it"}],
        build_vs_buy={"options": [{"name": "Build"}, {"name": "Buy", "verdict": "chosen"}], "revisit_if": "it is slow"},
        architecture="Client → API\n   ↓\n Index\n",
        release_phases=[{"name": "First", "scope": ["ranking"], "weeks": 2}],
    )
    assert prd["problem"] == {"statement": "People cannot find their documents.", "current_flow": None, "evidence": []}
    assert prd["user_stories"][0]["text"] == "As an author, I can find a draft so that I go on"
    assert prd["risks"][0]["exposure"] == 2
    assert prd["build_vs_buy"]["options"][1] == {
        "name": "Buy",
        "pros": None,
        "cons": None,
        "cost": None,
        "verdict": "chosen",
    }
    assert prd["architecture"] == "Client → API\n   ↓\n Index\n"
    assert (await workspace.live.get(f"/v1/prds/{prd['id']}")).json() == prd


async def test_short_forms_are_taken(workspace: Workspace) -> None:
    prd = await made(
        workspace.live,
        "/v1/prds",
        {
            "title": "Search",
            "problem": "People cannot find their documents.",
            "user_stories": [{"text": "As a user, I can search", "acceptance_criteria": ["Found in <1 s"]}],
            "requirements": [{"text": "Results are ranked"}],
            "rationale": "It is what people ask for.",
            "success_metrics": [{"category": "product", "text": "80 % of users search"}],
            "open_questions": [{"text": "In which languages?"}],
        },
    )
    assert prd["problem"]["statement"] == "People cannot find their documents."
    assert prd["user_stories"][0]["acceptance_criteria"][0]["text"] == "Found in <1 s"
    assert prd["rationale"] == [{"choice": None, "because": "It is what people ask for.", "instead_of": None}]
    assert (prd["success_metrics"][0]["target"], prd["success_metrics"][0]["unit"]) == (80, "percent")


async def test_the_numbers_of_a_requirement_are_read_from_its_text(workspace: Workspace) -> None:
    latency = (await drafted(workspace))["requirements"][1]
    read = {name: latency[name] for name in ("metric", "percentile", "op", "value", "unit")}
    assert read == {"metric": None, "percentile": "p95", "op": "<", "value": 200, "unit": "ms"}


async def test_downtime_is_computed_for_an_availability(workspace: Workspace) -> None:
    uptime = (await drafted(workspace))["requirements"][2]
    assert (uptime["metric"], uptime["value"]) == ("uptime", 99.9)
    assert (uptime["downtime_minutes"], uptime["error_budget_percent"]) == (43.2, 0.1)


async def test_requirements_get_their_ids_from_the_server_and_no_id_is_given_twice(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    assert [row["id"] for row in prd["requirements"]] == ["FR-001", "NFR-001", "NFR-002"]
    kept = [row for row in prd["requirements"] if row["id"] != "NFR-002"]
    prd = await changed(workspace, prd, requirements=kept)
    prd = await made(
        workspace.live, f"/v1/prds/{prd['id']}/requirements", {"kind": "security", "text": "Logins use 2FA"}
    )
    assert [row["id"] for row in prd["requirements"]] == ["FR-001", "NFR-001", "NFR-003"]


async def test_an_id_that_the_prd_never_had_is_refused(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    answer = await workspace.live.patch(
        f"/v1/prds/{prd['id']}", json={"requirements": [{"id": "FR-009", "text": "It is fast"}]}
    )
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, "/requirements/0/id")
    new = await workspace.live.post("/v1/prds", json={"title": "A", "requirements": [{"id": "FR-001", "text": "B"}]})
    assert (new.status_code, new.json()["errors"][0]["code"]) == (400, "unknown_id")


async def test_bad_input_is_answered_with_pointers(workspace: Workspace) -> None:
    cases = [
        ({"requirements": [{"text": "x", "percentile": "95"}]}, "/requirements/0/percentile"),
        ({"risks": [{"description": "x", "probability": 2}]}, "/risks/0/probability"),
        ({"success_metrics": [{"name": "x", "deadline": "soon"}]}, "/success_metrics/0/deadline"),
        ({"problem": {"statement": "x", "evidence": [{"claim": "y", "source_url": "z"}]}}, "/problem"),
        ({"feature_ids": ["prd_01h455vb4pex5vsknk084sn02q"]}, "/feature_ids/0"),
        ({"requirements": [{"text": "x", "value": 10**400}]}, "/requirements/0/value"),
    ]
    for fields, pointer in cases:
        answer = await workspace.live.post("/v1/prds", json={"title": "A", **fields})
        assert answer.status_code == 400, fields
        assert any(error["target"]["name"].startswith(pointer) for error in answer.json()["errors"]), answer.text


async def test_a_patch_of_the_problem_is_merged_and_checked(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    prd = await changed(workspace, prd, problem={"current_flow": "They ask a colleague."})
    assert prd["problem"]["statement"] == "People cannot find their documents."
    assert prd["problem"]["current_flow"] == "They ask a colleague."
    bad = await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"problem": {"evidence": [{"value": 4}]}})
    assert bad.status_code == 400
    assert bad.json()["errors"][0]["target"]["name"] == "/problem/evidence/0/claim"
    assert (await changed(workspace, prd, problem=None))["problem"] is None


async def test_one_requirement_is_patched_and_its_numbers_follow_the_wording(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}/requirements"
    answer = await workspace.live.patch(f"{path}/NFR-001", json={"text": "Search answers in <300ms p99"})
    row = answer.json()["requirements"][1]
    assert (row["value"], row["percentile"], row["unit"]) == (300, "p99", "ms")
    assert (await workspace.live.patch(f"{path}/FR-042", json={"text": "x"})).status_code == 404
    bad = await workspace.live.patch(f"{path}/NFR-001", json={"status": "superseded"})
    assert bad.status_code == 400


async def test_a_requirement_is_superseded_by_another_of_the_same_prd(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}/requirements"
    await made(workspace.live, path, {"text": "Results are ranked by what people opened"})
    superseded = {"status": "superseded", "superseded_by": "FR-002"}
    answer = await workspace.live.patch(f"{path}/FR-001", json=superseded)
    assert answer.json()["requirements"][0] | superseded == answer.json()["requirements"][0]
    absent = await workspace.live.patch(f"{path}/NFR-001", json=superseded | {"superseded_by": "FR-777"})
    assert absent.json()["errors"][0]["code"] == "unknown_id"
    [event] = [event for event in await told(workspace) if event["type"] == "requirement.superseded"]
    assert [row["id"] for row in event["data"]["requirements"]] == ["FR-001"]


async def test_stories_risks_and_questions_are_appended(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}"
    await made(workspace.live, f"{path}/stories", {"text": "As a user, I can search"})
    await made(workspace.live, f"{path}/risks", {"description": "It is slow"})
    prd = await made(workspace.live, f"{path}/questions", {"text": "In which languages?", "blocking": True})
    assert [len(prd[name]) for name in ("user_stories", "risks", "open_questions")] == [1, 1, 2]
    assert prd["open_questions"][1]["id"] == "Q-002"
    answer = await workspace.live.patch(f"{path}/questions/Q-002", json={"answer": "English"})
    assert answer.json()["open_questions"][1]["answer"] == "English"
    [event] = [event for event in await told(workspace) if event["type"] == "question.answered"]
    assert [row["id"] for row in event["data"]["questions"]] == ["Q-002"]


async def test_each_change_is_a_version_that_stays(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    await changed(workspace, prd, solution="An index.")
    await changed(workspace, prd, solution="Two indexes.", title="Search everywhere")
    path = f"/v1/prds/{prd['id']}/versions"
    listed = (await workspace.live.get(path)).json()["data"]
    assert [(row["number"], row["changed"]) for row in listed[:2]] == [(3, ["solution", "title"]), (2, ["solution"])]
    first, second = [(await workspace.live.get(f"{path}/{number}")).json() for number in (1, 2)]
    assert (first["sections"]["solution"], second["sections"]["solution"]) == (None, "An index.")
    assert (first["title"], first["sections"]["requirements"]) == ("Search", prd["requirements"])
    assert (await workspace.live.get(f"{path}/4")).status_code == 404


async def test_a_change_that_changes_nothing_makes_no_version_and_no_event(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    again = await changed(workspace, prd, title="Search", requirements=prd["requirements"], problem=prd["problem"])
    assert again == prd
    assert [event["type"] for event in await told(workspace)] == ["prd.created"]


async def test_no_role_of_ours_can_change_a_version(workspace: Workspace, owner) -> None:
    await drafted(workspace)
    for table in ("prd_versions", "prd_reviews", "prd_observations"):
        rights = await owner.fetch(
            "SELECT privilege_type FROM information_schema.role_table_grants WHERE grantee = 'roadbed_app' "
            "AND table_name = $1",
            table,
        )
        # DELETE is for the reset of a sandbox, and a policy keeps it to that.
        assert {row["privilege_type"] for row in rights} <= {"SELECT", "INSERT", "DELETE"}, table
        async with owner.transaction():
            scope = await owner.fetchrow("SELECT id FROM workspaces LIMIT 1")
            assert scope is not None
            await owner.execute(
                "SELECT set_config('roadbed.workspace_id', $1, true), set_config('roadbed.livemode', 'true', true)",
                str(scope["id"]),
            )
            await owner.execute("SET LOCAL ROLE roadbed_app")
            assert await owner.execute(f"DELETE FROM {table}") == "DELETE 0"


async def test_links_must_lead_somewhere(workspace: Workspace, other_workspace: Workspace) -> None:
    feature, foreign = await workspace.feature(), await other_workspace.feature()
    prd = await drafted(workspace, feature_ids=[feature["id"]])
    assert prd["feature_ids"] == [feature["id"]]
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"feature_ids": [foreign["id"]]})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_feature")
    nowhere = "dec_01h455vb4pex5vsknk084sn02q"
    for fields in ({"decision_ids": [nowhere]}, {"build_vs_buy": {"decision_id": nowhere}}):
        answer = await workspace.live.post("/v1/prds", json=SEARCH | fields)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_decision")


async def test_a_prd_links_the_decision_that_it_rests_on(workspace: Workspace) -> None:
    body = {"title": "Build or buy", "kind": "build_vs_buy", "options": [{"key": "a", "title": "A"}]}
    decision = await made(workspace.live, "/v1/decisions", body)
    prd = await drafted(workspace, decision_ids=[decision["id"]], build_vs_buy={"decision_id": decision["id"]})
    assert (prd["decision_ids"], prd["build_vs_buy"]["decision_id"]) == ([decision["id"]], decision["id"])


async def test_observations_say_how_far_a_metric_is(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}/observations"
    half = await made(workspace.live, path, {"metric_id": "SC-001", "value": 40, "observed_at": "2027-01-01T00:00:00Z"})
    assert (half["progress_percent"], half["met"]) == (50, False)
    whole = await made(workspace.live, path, {"metric_id": "SC-001", "value": 60})
    assert (whole["progress_percent"], whole["met"]) == (100, True)
    assert [row["value"] for row in (await workspace.live.get(path)).json()["data"]] == [60, 40]
    answer = await workspace.live.post(path, json={"metric_id": "SC-009", "value": 1})
    assert answer.json()["errors"][0]["target"]["name"] == "/metric_id"


async def test_one_change_of_many_sections_is_one_event(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    await workspace.endpoint(receiver.url, "prd.*")
    prd = await drafted(workspace)
    await changed(workspace, prd, solution="An index.", risks=[{"description": "Stale"}], title="Search everywhere")
    arrived = [one.event for one in await receiver.count(2)]
    assert [event["type"] for event in arrived] == ["prd.created", "prd.updated"]
    assert arrived[1]["data"]["changed"] == ["risks", "solution", "title"]
    Draft202012Validator(PrdChanged.model_json_schema(mode="serialization")).validate(arrived[1]["data"])


EVENTS = """
    prd.created prd.updated prd.status_changed prd.approved prd.approval_invalidated requirement.superseded
    question.answered review.submitted metric.observed
"""


@pytest.mark.parametrize("name", re.findall(r"\S+", EVENTS))
def test_every_example_is_what_its_schema_says(name: str) -> None:
    event_type = find(name)
    assert event_type is not None
    schema = event_type.data.model_json_schema(mode="serialization")
    Draft202012Validator(schema).validate(event_type.example)
