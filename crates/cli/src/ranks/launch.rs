//! Tell whether this process was started as one of several.

/// Variables in which a launcher says how many processes it has started: Open MPI's mpirun, MVAPICH's, every launcher that
/// speaks PMI (MPICH's mpiexec, srun --mpi=pmi2), and Slurm's srun. A launcher may have started another one, so that the
/// more particular comes first. In a batch script of Slurm that srun has not started there is none.
const SIZES: [&str; 4] = [
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
    "PMI_SIZE",
    "SLURM_STEP_NUM_TASKS",
];
/// A variable of launchers that speak PMIx, which say in none how many there are.
const RANK: &str = "PMIX_RANK";

/// What the environment says of other processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Several {
    /// The variable that says it, and its value.
    pub(super) found: String,
    /// Whether there are some, and not only that there may be.
    pub(super) is_certain: bool,
}

/// Whether there are other processes, or may be; `None` where this is the only one.
pub(super) fn several(variable: impl Fn(&str) -> Option<String>) -> Option<Several> {
    let said = |name: &str, value: &str, is_certain| {
        let found = format!("{name}={value}");
        Some(Several { found, is_certain })
    };
    let mut sizes = SIZES.iter().filter_map(|&name| {
        let size: u32 = variable(name)?.trim().parse().ok()?;
        Some((name, size))
    });
    match sizes.next() {
        Some((_, 0 | 1)) => None,
        Some((name, size)) => said(name, &size.to_string(), true),
        None => said(RANK, &variable(RANK)?, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_environment(variables: &[(&str, &str)]) -> Option<(String, bool)> {
        let several = several(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        several.map(|several| (several.found, several.is_certain))
    }

    #[test]
    fn a_launcher_that_has_started_several_is_found_by_its_own_variable() {
        for (variable, value) in [
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("MV2_COMM_WORLD_SIZE", "4"),
            ("PMI_SIZE", "8"),
            ("SLURM_STEP_NUM_TASKS", "1024"),
            ("PMIX_RANK", "0"),
        ] {
            let found = in_environment(&[(variable, value)]);
            let is_certain = variable != RANK;
            assert_eq!(found, Some((format!("{variable}={value}"), is_certain)));
        }
    }

    #[test]
    fn nobody_one_process_and_a_batch_script_are_alone() {
        assert_eq!(in_environment(&[]), None);
        assert_eq!(in_environment(&[("OMPI_COMM_WORLD_SIZE", "1")]), None);
        let alone_in_a_step = [("PMIX_RANK", "0"), ("SLURM_STEP_NUM_TASKS", "1")];
        assert_eq!(in_environment(&alone_in_a_step), None);
        let batch_script = [("SLURM_NTASKS", "8"), ("SLURM_PROCID", "0")];
        assert_eq!(in_environment(&batch_script), None);
        assert_eq!(in_environment(&[("PMI_SIZE", "many")]), None);
    }

    #[test]
    fn of_two_launchers_the_inner_one_counts() {
        // mpirun starts a helper on each of two machines through srun, and that one the processes.
        let both = [("SLURM_STEP_NUM_TASKS", "2"), ("OMPI_COMM_WORLD_SIZE", "1")];
        assert_eq!(in_environment(&both), None);
    }
}
