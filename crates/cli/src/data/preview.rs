//! Draw images of a data set, and say what there is in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use ebm_core::ImageShape;
use ebm_data::{DataConfig, Dataset, Images, PictureSizes};
use ebm_train::{Held, absolute_dir};

use crate::args::{ConfigArgs, positive};
use crate::counted::counted;
use crate::dataset;
use crate::memory::MemoryArgs;
use crate::output::{
    Table, check_output, columns_for, save_grid, say, scale_for, sheet_bytes_per_pixel,
    shows_classes,
};

use crate::typed::Mistyped;

/// Images that are drawn where no number is asked for.
const USUAL_NUM: usize = 100;

/// Draw images of a data set, a row for each class, and count them
#[derive(Args, Debug)]
pub(super) struct PreviewArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Seed of a data set that is drawn by code
    #[arg(long)]
    seed: Option<u64>,

    /// Images to draw
    #[arg(long, default_value_t = USUAL_NUM, value_parser = positive)]
    num: usize,

    /// The picture to write
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    #[command(flatten)]
    memory: MemoryArgs,
}

impl PreviewArgs {
    pub(super) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        check_output("--output", &self.output, &["png"])?;
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let config = self.config.resolve(seed.into_iter().collect())?;
        self.refuse_to_add_to(&config.data)?;
        let held = |shape, images| self.held(&config.data, shape, images);
        self.memory
            .check_with_data("the preview", &config.data, held)?;
        let data = dataset::load_to_train(&config.data, config.seed, quiet)?;
        let images = &data.train;
        let num = self.num.min(images.len());
        let (indices, columns, order) = examples(images, num);
        let pixels = images.gather(&indices);
        let scale = scale_for(images.shape.width);
        save_grid(&self.output, &pixels, images.shape.dims(), columns, scale)?;
        say(format_args!(
            "{}: {}; {order} in {}",
            config.data.dataset,
            dataset::summary(&data),
            self.output.display()
        ))?;
        if let Some(sizes) = &data.sizes {
            let crops = config.data.crops > 0;
            say(of_pictures(sizes, images.shape.width, crops))?;
        }
        if let Some(counts) = counts(&data) {
            say(counts)?;
        }
        if let Some(repeated) = repeated(&data) {
            tracing::warn!("{repeated}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse to write the sheet where it would be one more picture of the data.
    fn refuse_to_add_to(&self, data: &DataConfig) -> Result<(), Mistyped> {
        let folder = data.dir.as_ref().filter(|_| data.dataset.is_told_by_dir());
        match folder {
            Some(folder) if absolute_dir(&self.output).starts_with(absolute_dir(folder)) => {
                Err(Mistyped(format!(
                    "--output {}: it lies in the data folder, and would be one of its pictures; write it elsewhere",
                    self.output.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// The memory that the data take, `images` of this shape, and the sheet of some of them.
    fn held(&self, data: &DataConfig, shape: ImageShape, images: u64) -> Vec<Held> {
        let of_data = Held::of_data(data, shape, images);
        // A sheet of usual length is large because its images are.
        let key = match self.num > USUAL_NUM {
            true => "--num",
            false => of_data.key,
        };
        let shown = images.min(self.num as u64);
        let sheet = Held::of_images(key, shown, shape, sheet_bytes_per_pixel(shape.width));
        vec![of_data, sheet]
    }
}

/// How large the pictures were of which squares of `side` were made, and what became of them.
fn of_pictures(sizes: &PictureSizes, side: usize, are_cut: bool) -> String {
    let shown = |(width, height): (u32, u32)| format!("{width}×{height}");
    let (smallest, largest) = (shown(sizes.smallest), shown(sizes.largest));
    let pictures = counted(sizes.num, "picture", "pictures");
    let mut said = if smallest == largest {
        format!("{pictures} of {smallest}")
    } else {
        format!("{pictures} of {smallest} to {largest}")
    };
    if are_cut {
        return said + &format!(", cut into squares of {side}");
    }
    if sizes.num_oblong > 0 {
        said += &format!("; {} cropped to the square in the middle", sizes.num_oblong);
    }
    if sizes.num_enlarged > 0 {
        said += &format!(
            "; {} smaller than {side}×{side}, enlarged and blurred",
            sizes.num_enlarged
        );
    }
    said
}

/// A line for each class with its number of images; nothing where there are no classes.
fn counts(data: &Dataset) -> Option<String> {
    let names = &data.train.class_names;
    if names.is_empty() {
        return None;
    }
    let of = |images: Option<&Images>, class: u32| {
        let labels = images.map_or(&[][..], |images| &images.labels);
        labels.iter().filter(|&&label| label == class).count()
    };
    let mut table = Table::with_header(["class", "training", "test"]);
    for (class, name) in names.iter().enumerate() {
        let [train, test] =
            [Some(&data.train), data.test.as_ref()].map(|split| of(split, class as u32));
        table.row([name.clone(), train.to_string(), test.to_string()]);
    }
    Some(table.render(1))
}

/// What to say of images that come more than once; nothing where none does.
fn repeated(data: &Dataset) -> Option<String> {
    let twice = ebm_data::duplicates(&data.train);
    let trained_on = data
        .test
        .as_ref()
        .map_or(0, |test| ebm_data::trained_on(test, &data.train));
    let twice = (twice > 0).then(|| {
        let images = counted(twice, "training image", "training images");
        let are = if twice == 1 { "is" } else { "are" };
        format!("{images} {are} the same as an earlier one")
    });
    let trained_on = (trained_on > 0).then(|| {
        let images = counted(trained_on, "test image", "test images");
        let are = if trained_on == 1 { "is" } else { "are" };
        format!(
            "{images} {are} among the training images, too: what is measured on them tells nothing"
        )
    });
    let said: Vec<String> = twice.into_iter().chain(trained_on).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Which images are shown, in how many columns, and in what order: a row for each class where there are few
/// of them, else images from the whole set.
fn examples(images: &Images, num: usize) -> (Vec<usize>, usize, String) {
    let classes = images.class_names.len();
    if !shows_classes(classes) {
        let order = format!("{num} of them are");
        return (images.spread(num), columns_for(num), order);
    }
    // Names may be given of classes that have no images.
    let shares = images.class_frequencies();
    let there: Vec<u32> = (0..classes as u32)
        .filter(|&class| shares[class as usize] > 0.0)
        .collect();
    let columns = num.div_ceil(there.len());
    let labels: Vec<u32> = there
        .iter()
        .flat_map(|&class| vec![class; columns])
        .collect();
    let names = there
        .iter()
        .map(|&class| images.class_names[class as usize].as_str());
    let names: Vec<&str> = names.collect();
    let order = format!("a row of each class ({}) is", names.join(", "));
    (images.of_classes(&labels), columns, order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_images_have_no_row() {
        let images = Images {
            pixels: vec![0, 1, 2, 3].into(),
            shape: ImageShape::new(1, 1, 1),
            labels: vec![0, 2, 0, 2],
            class_names: ["ship", "frog", "dog"].map(String::from).to_vec(),
        };
        let (indices, columns, order) = examples(&images, 4);
        let shown = indices.iter().map(|&index| images.labels[index]);
        assert_eq!(shown.collect::<Vec<_>>(), [0, 0, 2, 2]);
        assert_eq!(columns, 2);
        assert_eq!(order, "a row of each class (ship, dog) is");
    }

    #[test]
    fn what_became_of_the_pictures_is_said() {
        let same = PictureSizes {
            num: 1,
            smallest: (32, 32),
            largest: (32, 32),
            num_oblong: 0,
            num_enlarged: 0,
        };
        let mixed = PictureSizes {
            num: 5,
            largest: (40, 30),
            num_oblong: 2,
            num_enlarged: 1,
            ..same
        };
        assert_eq!(of_pictures(&same, 32, false), "1 picture of 32×32");
        assert_eq!(
            of_pictures(&mixed, 32, false),
            "5 pictures of 32×32 to 40×30; 2 cropped to the square in the middle; \
             1 smaller than 32×32, enlarged and blurred"
        );
        assert_eq!(
            of_pictures(&mixed, 16, true),
            "5 pictures of 32×32 to 40×30, cut into squares of 16"
        );
    }
}
