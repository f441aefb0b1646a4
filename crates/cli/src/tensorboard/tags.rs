//! Name the series of metrics, in the sections in which TensorBoard shows them.

/// Sections, and the metrics in each.
const SECTIONS: [(&str, &[&str]); 6] = [
    (
        "loss",
        &[
            "contrastive",
            "regularization",
            "kl",
            "cross_entropy",
            "unexplained",
            "reconstruction",
        ],
    ),
    (
        "energy",
        &[
            "e_pos",
            "e_neg",
            "gap",
            "energy",
            "e_pos_std",
            "e_neg_std",
            "e_train",
            "e_test",
            "e_samples",
            "e_noise",
        ],
    ),
    ("quality", &["sample_distance", "frechet", "accuracy"]),
    (
        "chains",
        &[
            "chain_energy_before",
            "chain_energy_after",
            "pixel_grad_norm_mean",
            "pixel_grad_norm_max",
            "clamped_share",
            "at_bound_share",
            "acceptance",
            "step_scale",
            "stuck_share",
            "restarts_far_share",
            "buffer_age_mean",
            "buffer_age_max",
        ],
    ),
    ("optimizer", &["weight_grad_norm", "lr"]),
    (
        "speed",
        &[
            "image_steps_per_s",
            "s_per_iteration",
            "elapsed_s",
            "eta_s",
            "evaluation_s",
        ],
    ),
];

/// The series of a metric: its section, and its name in `metrics.jsonl`. What has no section, as `loss`, has one of its
/// own name.
pub(super) fn tag_of(metric: &str) -> String {
    let section = SECTIONS
        .iter()
        .find(|(_, metrics)| metrics.contains(&metric));
    match section {
        Some((section, _)) => format!("{section}/{metric}"),
        None => metric.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_stands_in_its_section_under_its_own_name() {
        assert_eq!(tag_of("e_pos"), "energy/e_pos");
        assert_eq!(tag_of("lr"), "optimizer/lr");
        assert_eq!(tag_of("loss"), "loss");
        assert_eq!(tag_of("of_my_own_objective"), "of_my_own_objective");
    }
}
