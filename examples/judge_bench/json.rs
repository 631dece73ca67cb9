//! What came of it, for programs.

use serde_json::{Value, json};

use crate::judge::KINDS;
use crate::score::{Cell, Score};
use crate::table::Results;

pub(crate) fn write(results: &Results<'_>) -> String {
    let scenarios = results.rows().map(|(scenario, cells)| {
        let judges = KINDS.iter().zip(cells);
        let judges = judges.map(|(kind, it)| (kind.id.to_owned(), cell(it)));
        json!({
            "id": scenario.id,
            "name": scenario.name,
            "requestsPerSecond": scenario.rate,
            "good": scenario.is_good(),
            "judges": judges.collect::<serde_json::Map<_, _>>(),
        })
    });
    let scenarios: Vec<Value> = scenarios.collect();
    let scores = KINDS.iter().enumerate().map(|(judge, kind)| {
        let score = score(&Score::of(&results.of(judge)));
        (kind.id.to_owned(), score)
    });
    let all = json!({
        "schedule": results.options.schedule.to_string(),
        "firstSeed": results.options.seed,
        "scenarios": scenarios,
        "scores": scores.collect::<serde_json::Map<_, _>>(),
    });
    format!("{all:#}")
}

fn cell(cell: &Cell) -> Value {
    json!({
        "releases": cell.releases,
        "rolledBack": cell.rolled_back,
        "promoted": cell.promoted,
        "medianSecondsToRollback": cell.rolled_back_after,
        "medianSecondsToPromotion": cell.promoted_after,
        "failedRequests": cell.harm,
    })
}

fn score(score: &Score) -> Value {
    json!({
        "falseRollbackPercent": score.false_rollbacks.map(|(mean, _)| mean),
        "worstFalseRollbackPercent": score.false_rollbacks.map(|(_, worst)| worst),
        "missedPercent": score.misses,
        "failedRequestsGeometricMean": score.harm.map(|(mean, _, _)| mean),
        "failedRequestsSum": score.harm.map(|(_, sum, _)| sum),
        "failedRequestsMost": score.harm.map(|(_, _, most)| most),
        "medianSecondsToRollback": score.seconds,
        "medianSecondsToPromotion": score.promoted,
    })
}
