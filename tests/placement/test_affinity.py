"""Which deployments an affinity means, that it sees the tenant's own alone, and what it says of what is gone."""

from __future__ import annotations

import pytest
from placement_graphs import Builder

from graph.kinds import App, AppVersion, Deployment, Site, Tenant
from graph.kinds.policy import AppAffinity, PlacementPolicy
from graph.refusal import InvalidInput, NotFound
from placement.claims import Claims, binding


def running(build: Builder, *sites: Site, **fields: object) -> Deployment:
    """A deployment with a release at each of these sites."""
    made = build.change(build.deployment(), **fields)
    for site in sites:
        build.release(build.component(), site, {}, replicas=1, deployment_id=made.id)
    return made


def there(build: Builder, wanted: AppAffinity, **options: object) -> list[list[str]]:
    """The sites at which each kind of word finds company: affinity, anti-affinity."""
    policy = PlacementPolicy(affinity=[wanted], anti_affinity=[wanted])
    problem = build.problem(build.component(), policy=policy, **options)
    return [
        [one.id for one, mark in zip(problem.sites, company[0].there, strict=True) if mark]
        for company in (problem.words.affinity, problem.words.anti_affinity)
    ]


def test_deployments_are_meant_by_id_by_app_or_by_label(build: Builder) -> None:
    a, b, c, d = (build.site() for _ in range(4))
    by_id, by_label = running(build, a), running(build, b, labels={"role": "db"})
    app = build.make(App, name="other", tenant_id=build.tenant.id)
    version = build.make(AppVersion, name="1", app_id=app.id, tenant_id=build.tenant.id)
    running(build, c, app_version_id=version.id)
    running(build, d)
    assert there(build, AppAffinity(deployment_ids=[by_id.id]))[0] == [a.id]
    assert there(build, AppAffinity(labels="role=db"))[0] == [b.id]
    assert there(build, AppAffinity(app_ids=[app.id]))[0] == [c.id]
    either = AppAffinity(deployment_ids=[by_id.id], app_ids=[app.id], labels="role=db")
    assert there(build, either)[0] == [a.id, b.id, c.id]
    assert by_label.labels == {"role": "db"}


def test_what_is_leaving_is_no_company_and_still_to_be_kept_away_from(build: Builder) -> None:
    going, retiring, staying = build.site(), build.site(), build.site()
    other = build.deployment()
    build.release(build.component(), going, {}, replicas=1, deployment_id=other.id, wanted=False)
    build.release(build.component(), retiring, {}, replicas=1, deployment_id=other.id, retires_after=2)
    build.release(build.component(), staying, {}, replicas=1, deployment_id=other.id)
    wanted, shunned = there(build, AppAffinity(deployment_ids=[other.id]))
    assert wanted == [staying.id]
    assert shunned == [going.id, retiring.id, staying.id]


def test_a_deployment_is_no_company_of_itself(build: Builder) -> None:
    a, b = build.site(), build.site()
    mine = running(build, a, labels={"role": "db"})
    running(build, b, labels={"role": "db"})
    found, _ = there(build, AppAffinity(labels="role=db"), excluding_deployment_id=mine.id)
    assert found == [b.id]


def test_another_tenants_deployments_are_not_there(build: Builder) -> None:
    site = build.site()
    mine, version = build.tenant, build.version
    build.tenant = build.make(Tenant, name="other")
    app = build.make(App, name="theirs", tenant_id=build.tenant.id)
    build.version = build.make(AppVersion, name="1", app_id=app.id, tenant_id=build.tenant.id)
    shy = PlacementPolicy(anti_affinity=[AppAffinity(app_ids=[version.app_id], labels="role")])
    theirs = running(build, site, labels={"role": "db"}, policy=shy)
    build.tenant, build.version = mine, version
    assert there(build, AppAffinity(labels="role=db")) == [[], []]
    assert build.problem(build.component()).words.anti_affinity == ()
    for wanted, field in (
        (AppAffinity(deployment_ids=[theirs.id]), "deploymentIds"),
        (AppAffinity(app_ids=[app.id]), "appIds"),
    ):
        with pytest.raises(NotFound) as caught:
            there(build, wanted)
        assert caught.value.path == f"input.policy.affinity[0].{field}[0]"


SHY = PlacementPolicy(anti_affinity=[AppAffinity(labels="role=db")])


def kept_from(build: Builder, **options: object) -> list[str]:
    """The sites that anti-affinity, of whomever, keeps a deployment of no words from."""
    problem = build.problem(build.component(), **options)
    found = [company.there for company in problem.words.anti_affinity]
    return [one.id for n, one in enumerate(problem.sites) if any(there[n] for there in found)]


def test_others_keep_away_from_the_labels_that_a_new_deployment_is_to_have(build: Builder) -> None:
    site, _ = build.site(), build.site()
    running(build, site, policy=SHY)
    assert kept_from(build, deployment_labels={"role": "db", "zone": "a"}) == [site.id]
    assert kept_from(build, deployment_labels={"role": "web"}) == []
    assert kept_from(build) == []


def test_a_new_deployment_keeps_away_from_the_labels_of_others(build: Builder) -> None:
    site, _ = build.site(), build.site()
    running(build, site, labels={"role": "db"})
    assert kept_from(build, policy=SHY) == [site.id]


def test_the_labels_that_a_deployment_is_to_have_count_and_not_those_that_it_has(build: Builder) -> None:
    a, b = build.site(), build.site()
    mine = running(build, b, labels={"role": "db"})
    running(build, a, policy=SHY)
    assert kept_from(build, excluding_deployment_id=mine.id) == [a.id]
    assert kept_from(build, excluding_deployment_id=mine.id, deployment_labels={}) == []


def test_a_selector_that_forbids_a_label_means_a_new_deployment_without_labels(build: Builder) -> None:
    site = build.site()
    running(build, site, policy=PlacementPolicy(anti_affinity=[AppAffinity(labels="!trusted")]))
    assert kept_from(build, deployment_labels={}) == [site.id]
    assert kept_from(build, deployment_labels={"trusted": "yes"}) == []


def test_what_a_kept_policy_names_may_be_gone(build: Builder) -> None:
    build.site()
    gone = build.deployment()
    wanted = AppAffinity(deployment_ids=[gone.id])
    mine = build.change(build.deployment(), policy=PlacementPolicy(anti_affinity=[wanted]))
    build.remove(gone)
    assert there(build, wanted, excluding_deployment_id=mine.id) == [[], []]
    with pytest.raises(NotFound):
        there(build, wanted)


def test_an_affinity_names_something(build: Builder) -> None:
    with pytest.raises(InvalidInput) as caught:
        there(build, AppAffinity())
    assert caught.value.path == "input.policy.affinity[0]"
    assert caught.value.remedy


def test_claims_follow_the_deployments_that_bind_others(build: Builder) -> None:
    claims = Claims(build.view)
    build.view.follow(claims)
    plain = build.deployment()
    assert claims.deployment_ids() == []
    shy = PlacementPolicy(anti_affinity=[AppAffinity(labels="role=db")])
    changed = build.change(plain, policy=shy)
    assert claims.deployment_ids() == [plain.id] == list(binding(build.view))
    build.change(changed, policy=PlacementPolicy())
    assert claims.deployment_ids() == []
    build.remove(build.make(Deployment, tenant_id=build.tenant.id, app_version_id=build.version.id, policy=shy))
    assert claims.deployment_ids() == [] == list(binding(build.view))
