//! Check end points, shapes and refusals of schedules.

use super::*;

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

#[test]
fn a_constant_is_the_same_at_every_step() {
    for step in 0..5 {
        assert_eq!(Schedule::Constant(0.3).at(step, 4), 0.3);
    }
}

#[test]
fn every_varying_schedule_meets_its_end_points_and_stays_there() {
    let (start, end) = (2.0, 0.5);
    for varying in [
        Varying::Linear { start, end },
        Varying::Geometric { start, end },
        Varying::Cosine { start, end },
    ] {
        let schedule = Schedule::Varying(varying);
        close(schedule.at(0, 11), start);
        close(schedule.at(10, 11), end);
        close(schedule.at(50, 11), end);
        close(schedule.at(0, 1), start);
    }
}

#[test]
fn the_middle_is_the_mean_of_its_kind() {
    let (start, end) = (2.0, 0.5);
    close(
        Schedule::Varying(Varying::Linear { start, end }).at(5, 11),
        1.25,
    );
    close(
        Schedule::Varying(Varying::Geometric { start, end }).at(5, 11),
        1.0,
    );
    close(
        Schedule::Varying(Varying::Cosine { start, end }).at(5, 11),
        1.25,
    );
}

#[test]
fn every_cycle_starts_again_and_falls() {
    let cyclic = Schedule::Varying(Varying::Cyclic {
        start: 4.0,
        cycles: 3,
    });
    for cycle in 0..3 {
        close(cyclic.at(10 * cycle, 30), 4.0);
        close(cyclic.at(10 * cycle + 5, 30), 2.0);
        assert!(cyclic.at(10 * cycle + 9, 30) < 0.1);
    }
}

#[test]
fn a_cycle_knows_its_steps_and_other_schedules_have_none() {
    let cyclic = Schedule::Varying(Varying::Cyclic {
        start: 4.0,
        cycles: 3,
    });
    assert_eq!(cyclic.cycle_of(0, 31), Some(0..11));
    assert_eq!(cyclic.cycle_of(10, 31), Some(0..11));
    assert_eq!(cyclic.cycle_of(22, 31), Some(22..33));
    assert_eq!(Schedule::Constant(4.0).cycle_of(3, 31), None);
}

#[test]
fn a_polynomial_is_the_step_size_of_welling_and_teh() {
    // a = 0.01, b = 100, γ = 0.55: a(b + t)^−γ.
    let (a, offset, power) = (0.01_f64, 100.0_f64, 0.55);
    let polynomial = Schedule::Varying(Varying::Polynomial {
        start: a * offset.powf(-power),
        offset,
        power,
    });
    for step in [0_usize, 1, 50, 9_999] {
        let expected = a * (offset + step as f64).powf(-power);
        close(polynomial.at(step, 10_000), expected);
        close(polynomial.scaled(4.0).at(step, 10_000), 4.0 * expected);
    }
    assert_eq!(polynomial.at(20_000, 10_000), polynomial.at(9_999, 10_000));
    assert!(!polynomial.depends_on_length());
    let (low, high) = polynomial.range().expect("it can run");
    assert_eq!(high, a * offset.powf(-power));
    assert!(low > 0.0 && low < polynomial.at(10_000_000, 10_000_001));
    for (offset, power) in [(0.0, 1.0), (f64::NAN, 1.0), (1.0, -0.1), (1.0, f64::NAN)] {
        let refused = Varying::Polynomial {
            start: 1.0,
            offset,
            power,
        };
        assert!(Schedule::Varying(refused).range().is_err(), "{refused:?}");
    }
}

#[test]
fn annealing_holds_falls_by_a_constant_ratio_and_ends_at_zero() {
    // Li et al. (2019): T = 100 for 500 steps, by a constant ratio to 1 in 2000, along a line to 0 in 200.
    let (start, end) = (100.0, 1.0);
    let (hold, decay) = (500.0 / 2700.0, 2000.0 / 2700.0);
    let annealed = Schedule::Varying(Varying::Annealed {
        start,
        end,
        hold,
        decay,
    });
    let at = |step| annealed.at(step, 2701);
    close(at(0), 100.0);
    close(at(500), 100.0);
    assert!((at(1500) - 10.0).abs() < 1e-9, "{}", at(1500));
    assert!((at(2500) - 1.0).abs() < 1e-9, "{}", at(2500));
    assert!((at(2600) - 0.5).abs() < 1e-9, "{}", at(2600));
    close(at(2700), 0.0);
    close(annealed.scaled(0.5).at(500, 2701), 50.0);
    assert_eq!(annealed.range(), Ok((0.0, 100.0)));
    close(annealed.at(0, 1), 100.0);
}

#[test]
fn annealing_over_all_steps_is_geometric() {
    let (start, end) = (2.0, 0.5);
    let annealed = Schedule::Varying(Varying::Annealed {
        start,
        end,
        hold: 0.0,
        decay: 1.0,
    });
    let geometric = Schedule::Varying(Varying::Geometric { start, end });
    for step in 0..=10 {
        close(annealed.at(step, 11), geometric.at(step, 11));
    }
    assert_eq!(annealed.range(), Ok((0.5, 2.0)));
}

#[test]
fn reads_a_number_or_a_named_table() {
    #[derive(Deserialize)]
    struct Holder {
        a: Schedule,
        b: Schedule,
        c: Schedule,
    }
    let holder: Holder =
        toml::from_str("a = 0.5\nb = 2\nc = { kind = \"cyclic\", start = 1.0, cycles = 4 }")
            .expect("valid");
    assert_eq!(holder.a, Schedule::Constant(0.5));
    assert_eq!(holder.b, Schedule::Constant(2.0));
    let (start, cycles) = (1.0, 4);
    assert_eq!(
        holder.c,
        Schedule::Varying(Varying::Cyclic { start, cycles })
    );
}

#[test]
fn refuses_what_cannot_run() {
    let geometric = Varying::Geometric {
        start: 1.0,
        end: 0.0,
    };
    assert!(Schedule::Varying(geometric).range().is_err());
    assert!(Schedule::Constant(f64::NAN).range().is_err());
    let cyclic = Varying::Cyclic {
        start: 1.0,
        cycles: 0,
    };
    assert!(Schedule::Varying(cyclic).range().is_err());
    for (end, hold, decay) in [
        (0.0, 0.2, 0.5),
        (1.0, 0.6, 0.5),
        (1.0, -0.1, 0.5),
        (1.0, 0.1, f64::NAN),
        (f64::INFINITY, 0.1, 0.5),
        (f64::NAN, 0.1, 0.5),
    ] {
        let annealed = Varying::Annealed {
            start: 1.0,
            end,
            hold,
            decay,
        };
        assert!(Schedule::Varying(annealed).range().is_err(), "{annealed:?}");
    }
}
