//! What a proxy has of a VirtualService, as istiod dumps its routes; pure.

use std::collections::{BTreeMap, BTreeSet};

use gradatim_core::route::Split;
use gradatim_kubernetes::objects::name_of;
use serde_json::{Value, json};

use crate::affinity::is_following;
use crate::config::{IstioConfig, VirtualService};
use crate::routes::{chosen, route, split};

/// What a proxy that carries a VirtualService shall show of it.
pub(crate) struct Expected {
    /// How a route of a proxy names its VirtualService.
    config: String,
    /// The split of each route that is ours to write, by its name.
    splits: BTreeMap<String, Split>,
    /// Those that are ours altogether.
    ours: BTreeSet<String>,
}

/// Whether a proxy has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// No route of this proxy comes from there.
    Nothing,
    Other,
    Same,
}

impl Expected {
    /// What is to be seen of a VirtualService as it stands; none where istiod's dump of routes
    /// does not tell it, which is so for TLS and TCP, and where it cannot be read.
    pub(crate) fn of(
        config: &IstioConfig,
        service: &VirtualService,
        object: &Value,
    ) -> Option<Self> {
        let places = chosen(config, service, object).ok()?;
        if places.iter().any(|(section, _)| *section != "http") {
            return None;
        }
        let all = object["spec"]["http"].as_array()?;
        let ours = all.iter().filter(|route| is_ours(config, route));
        let users = places.iter().map(|place| route(object, *place));
        let mut splits = BTreeMap::new();
        for route in users.chain(ours.clone()) {
            splits.insert(name(route), split(config, route).ok()?);
        }
        let namespace = object["metadata"]["namespace"].as_str()?;
        Some(Self {
            config: format!(
                "/namespaces/{namespace}/virtual-service/{}",
                name_of(object)
            ),
            splits,
            ours: ours.map(name).collect(),
        })
    }

    /// What a proxy's dump of routes says of it.
    pub(crate) fn carried(&self, config: &IstioConfig, dump: &Value) -> Carried {
        let (mut carried, mut ours) = (Carried::Nothing, BTreeSet::new());
        for virtual_host in virtual_hosts(dump) {
            for route in items(&virtual_host["routes"]) {
                let from = route["metadata"]["filterMetadata"]["istio"]["config"].as_str();
                if !from.is_some_and(|from| from.ends_with(&self.config)) {
                    continue;
                }
                if is_ours(config, route) {
                    ours.insert(name(route));
                }
                let is_same = match self.splits.get(&name(route)) {
                    Some(wanted) => split(config, &as_written(route)).is_ok_and(|it| it == *wanted),
                    None => !is_ours(config, route),
                };
                if !is_same {
                    return Carried::Other;
                }
                carried = Carried::Same;
            }
        }
        match carried {
            Carried::Same if ours != self.ours => Carried::Other,
            carried => carried,
        }
    }
}

fn is_ours(config: &IstioConfig, route: &Value) -> bool {
    config.managed(route).is_some() || is_following(route)
}

/// The push that a dump is of.
pub(crate) fn push(dump: &Value) -> Option<&str> {
    let mut all = route_configs(dump).filter_map(|config| config["versionInfo"].as_str());
    all.next()
}

fn route_configs(dump: &Value) -> impl Iterator<Item = &Value> {
    items(&dump["configs"]).flat_map(|config| items(&config["dynamicRouteConfigs"]))
}

fn virtual_hosts(dump: &Value) -> impl Iterator<Item = &Value> {
    route_configs(dump).flat_map(|config| items(&config["routeConfig"]["virtualHosts"]))
}

/// A proxy's route as the one of a VirtualService that it comes from: clusters as destinations.
fn as_written(route: &Value) -> Value {
    let action = &route["route"];
    let weighted = items(&action["weightedClusters"]["clusters"]);
    let weighted = weighted.map(|one| (&one["name"], one["weight"].as_u64().unwrap_or(0)));
    let alone = action["cluster"]
        .is_string()
        .then_some((&action["cluster"], 100));
    let destinations = weighted.chain(alone).map(|(cluster, weight)| {
        let parts: Vec<&str> = cluster.as_str().unwrap_or_default().split('|').collect();
        let part = |index: usize| parts.get(index).copied().unwrap_or_default();
        json!({"destination": {"subset": part(2), "host": part(3)}, "weight": weight})
    });
    json!({"route": destinations.collect::<Vec<_>>()})
}

fn items(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn name(route: &Value) -> String {
    route["name"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{hosts, subsets};

    const CONFIG: &str = "/apis/networking.istio.io/v1/namespaces/prod/virtual-service/shop";

    fn object() -> Value {
        let to = |subset: &str, weight: u32| json!({"destination": {"host": "shop", "subset": subset}, "weight": weight});
        json!({
            "metadata": {"name": "shop", "namespace": "prod"},
            "spec": {"http": [
                {"name": "first", "route": [to("canary", 100)]},
                {"name": "main", "route": [to("stable", 80), to("canary", 20)]},
            ]},
        })
    }

    fn cluster(subset: &str) -> String {
        format!("outbound|80|{subset}|shop.prod.svc.cluster.local")
    }

    /// As istiod 1.31 gives it, without what nobody reads here.
    fn dump(routes: Value) -> Value {
        json!({"configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"},
            {
                "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
                "dynamicRouteConfigs": [{
                    "versionInfo": "2026-11-25T15:19:34Z/4",
                    "routeConfig": {"name": "http.80", "virtualHosts": [{"routes": routes}]},
                }],
            },
        ]})
    }

    fn from(config: &str, name: &str, action: Value) -> Value {
        let metadata = json!({"filterMetadata": {"istio": {"config": config}}});
        json!({"name": name, "route": action, "metadata": metadata})
    }

    fn trial() -> Value {
        from(CONFIG, "first", json!({"cluster": cluster("canary")}))
    }

    fn main(stable: u32, canary: u32) -> Value {
        let clusters = json!([
            {"name": cluster("stable"), "weight": stable},
            {"name": cluster("canary"), "weight": canary},
        ]);
        from(
            CONFIG,
            "main",
            json!({"weightedClusters": {"clusters": clusters}}),
        )
    }

    fn carried(object: &Value, routes: Value) -> Carried {
        let config = subsets();
        let expected = Expected::of(&config, &config.virtual_services[0], object).unwrap();
        expected.carried(&config, &dump(routes))
    }

    #[test]
    fn a_proxy_has_it_when_every_route_of_ours_says_so_and_no_other_is_there() {
        let same = |routes: Value| carried(&object(), routes) == Carried::Same;
        assert!(same(json!([trial(), main(80, 20)])));
        assert!(same(json!([trial(), trial(), main(8, 2)])));
        let theirs = from(
            "/x/namespaces/prod/virtual-service/other",
            "main",
            json!({"cluster": "x"}),
        );
        assert!(same(json!([theirs, trial(), main(80, 20)])));
        for other in [
            json!([trial(), main(90, 10)]),
            json!([trial(), main(80, 20), main(90, 10)]),
            json!([main(80, 20)]),
            json!([
                from(CONFIG, "first", json!({"cluster": cluster("stable")})),
                main(80, 20)
            ]),
            json!([
                trial(),
                from(CONFIG, "second", json!({"cluster": cluster("canary")})),
                main(80, 20)
            ]),
            json!([trial(), from(CONFIG, "main", json!({"directResponse": {}}))]),
        ] {
            assert_eq!(carried(&object(), other.clone()), Carried::Other, "{other}");
        }
        for nothing in [json!([]), json!([theirs]), json!(null)] {
            assert_eq!(carried(&object(), nothing), Carried::Nothing);
        }
    }

    #[test]
    fn all_or_nothing_is_a_cluster_alone() {
        let mut object = object();
        let alone = |subset: &str| {
            json!([
                trial(),
                from(CONFIG, "main", json!({"cluster": cluster(subset)}))
            ])
        };
        for (weights, subset) in [([100, 0], "stable"), ([0, 100], "canary")] {
            let main = &mut object["spec"]["http"][1]["route"];
            main[0]["weight"] = weights[0].into();
            main[1]["weight"] = weights[1].into();
            assert_eq!(carried(&object, alone(subset)), Carried::Same);
        }
        assert_eq!(carried(&object, alone("stable")), Carried::Other);
    }

    #[test]
    fn what_stands_in_no_route_of_http_cannot_be_told() {
        let config = hosts(json!({"virtualService": {"name": "shop"}}));
        let to = |host: &str| json!({"destination": {"host": host}, "weight": 50});
        let object = json!({
            "metadata": {"name": "shop", "namespace": "prod"},
            "spec": {"tcp": [{"route": [to("shop"), to("shop-canary")]}]},
        });
        assert!(Expected::of(&config, &config.virtual_services[0], &object).is_none());
    }

    #[test]
    fn a_dump_says_which_push_it_is_of() {
        assert_eq!(push(&dump(json!([]))), Some("2026-11-25T15:19:34Z/4"));
        assert_eq!(push(&json!({})), None);
    }
}
