use super::super::cursor::Cursor;
use super::value::{amount, anti_affinity, metadata};
use super::{analysis, set};
use crate::spec::BlueGreenSpec;

/// `strategy.blueGreen`.
pub(super) fn blue_green(field: &Cursor<'_>) -> Option<BlueGreenSpec> {
    let fields = field.fields()?;
    let count = |name| fields.get(name).and_then(|field: Cursor<'_>| field.count());
    let active = fields
        .require("activeService")
        .and_then(|service| service.word());
    let mut spec = BlueGreenSpec::new(active.clone().unwrap_or_default());
    spec.preview_service = fields
        .get("previewService")
        .and_then(|service| service.word());
    spec.preview_replica_count = count("previewReplicaCount");
    let auto = fields
        .get("autoPromotionEnabled")
        .and_then(|field| field.boolean());
    set(&mut spec.auto_promotion_enabled, auto);
    spec.auto_promotion_seconds = count("autoPromotionSeconds");
    spec.max_unavailable = fields
        .get("maxUnavailable")
        .and_then(|field| amount(&field));
    spec.scale_down_delay_seconds = count("scaleDownDelaySeconds");
    spec.scale_down_delay_revision_limit = count("scaleDownDelayRevisionLimit");
    spec.abort_scale_down_delay_seconds = count("abortScaleDownDelaySeconds");
    let run = |name| {
        fields
            .get(name)
            .and_then(|field: Cursor<'_>| analysis::inline(&field))
    };
    spec.pre_promotion_analysis = run("prePromotionAnalysis");
    spec.post_promotion_analysis = run("postPromotionAnalysis");
    spec.anti_affinity = fields
        .get("antiAffinity")
        .and_then(|field| anti_affinity(&field));
    spec.preview_metadata = fields
        .get("previewMetadata")
        .and_then(|field| metadata(&field));
    spec.active_metadata = fields
        .get("activeMetadata")
        .and_then(|field| metadata(&field));
    fields.close();
    active.map(|_| spec)
}
