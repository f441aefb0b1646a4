//! Say how unusual images are: print their energies.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use burn::tensor::{Int, Tensor, TensorData};
use clap::Args;
use ebm_langevin::{chain_pieces, each_piece, energy_and_gradient, is_cpu, pieces_of};
use ebm_model::{EnergyModel, ImageShape, Network};

use super::trained::TrainedArgs;
use super::{has_extension, require_extension, say};
use crate::data::decode_picture;
use crate::npy;

/// Print the energy of images: the lower, the likelier under the model
#[derive(Args, Debug)]
pub(super) struct EnergyArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Pictures, cropped and resized as in training, or arrays of u8 [n, h, w, c]
    #[arg(value_name = "IMAGE|FILE.npy", required = true)]
    images: Vec<PathBuf>,

    /// The class that is given, by name or number [default: all, as −log Σ exp(−E(x, y))]
    #[arg(long)]
    class: Option<String>,

    /// Write the energies as an array of f32 [n] instead of printing them
    #[arg(long, value_name = "FILE.npy")]
    output: Option<PathBuf>,

    /// Write the gradients with respect to pixels in [0, 1], f32 [n, c, h, w]
    #[arg(long, value_name = "FILE.npy")]
    gradients: Option<PathBuf>,

    /// Use the last weights instead of their moving average
    #[arg(long)]
    no_ema: bool,
}

/// Images whose energies a GPU computes at a time.
const BATCH: usize = 64;

impl EnergyArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        for (flag, path) in [("--output", &self.output), ("--gradients", &self.gradients)] {
            if let Some(path) = path {
                require_extension(flag, path, &["npy"])?;
            }
        }
        let trained = self.trained.open()?;
        let class = { self.class.as_deref() }
            .map(|text| trained.class("--class", text))
            .transpose()?;
        let shape = trained.state.image_shape();
        let (mut bytes, mut names) = (Vec::new(), Vec::new());
        for path in &self.images {
            let images = read_images(path, shape)?;
            let count = images.len() / shape.pixels();
            names.extend((0..count).map(|i| match count {
                1 => path.display().to_string(),
                _ => format!("{}[{i}]", path.display()),
            }));
            bytes.extend(images);
        }
        // A byte q stands for the middle of the interval that dequantisation spreads it over.
        let pixels: Vec<f32> = { bytes.iter() }
            .map(|&byte| (f32::from(byte) + 0.5) / 256.0)
            .collect();
        let [channels, height, width] = shape.dims();
        let dims = [names.len(), channels, height, width];
        let x = Tensor::from_data(TensorData::new(pixels, dims), &trained.selected.device);
        let model = trained.model(!self.no_ema);
        let (energies, gradients) = energies(&model, x, class, self.gradients.is_some());
        match &self.output {
            Some(path) => {
                npy::save_npy_f32(path, &[energies.len()], &energies)?;
                say(path.display())?;
            }
            None => {
                for (energy, name) in energies.iter().zip(&names) {
                    say(format_args!("{energy:.6}\t{name}"))?;
                }
            }
        }
        if let Some(path) = &self.gradients {
            npy::save_npy_f32(path, &dims, &gradients)?;
            say(path.display())?;
        }
        match energies.iter().position(|energy| !energy.is_finite()) {
            Some(bad) => bail!("the energy of {} is {}", names[bad], energies[bad]),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// The images of a file as bytes `[n, c, h, w]`.
fn read_images(path: &Path, shape: ImageShape) -> anyhow::Result<Vec<u8>> {
    if !has_extension(path, "npy") {
        return Ok(decode_picture(path, shape)?);
    }
    let [channels, height, width] = shape.dims();
    let (found, pixels) = npy::load_npy_u8(path)?;
    match found.as_slice() {
        &[_, h, w, c] if [c, h, w] == shape.dims() => Ok(npy::nhwc_to_nchw(&pixels, shape.dims())),
        _ => bail!(
            "{} has shape {found:?}, expected [n, {height}, {width}, {channels}]",
            path.display()
        ),
    }
}

/// Energies, and gradients where asked for, row-major.
fn energies(
    model: &Network,
    x: Tensor<4>,
    class: Option<u32>,
    with_gradients: bool,
) -> (Vec<f32>, Vec<f32>) {
    let (num, device) = (x.dims()[0], x.device());
    let pieces = match is_cpu(&device) {
        true => chain_pieces(&device, num),
        false => pieces_of(num, BATCH),
    };
    let parts = each_piece(&device, pieces, |rows| {
        let x = x.clone().narrow(0, rows.start, rows.len());
        let y = class.map(|class| Tensor::<1, Int>::full([rows.len()], class as i32, &device));
        let energy = |x: Tensor<4>| match &y {
            Some(y) => model.energy_given(x, y),
            None => model.energy(x),
        };
        match with_gradients {
            true => {
                let (e, gradient) = energy_and_gradient(x, &energy);
                (floats(e), floats(gradient))
            }
            false => (floats(energy(x)), Vec::new()),
        }
    });
    let (energies, gradients): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (energies.concat(), gradients.concat())
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
