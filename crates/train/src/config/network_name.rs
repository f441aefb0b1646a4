//! Name the architectures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The architectures, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkName {
    /// The 77k-parameter network of the UvA tutorial.
    Uva,
    /// IGEBM's MnistNet.
    Mnist,
    /// IGEBM's DspritesNet.
    Dsprites,
    /// IGEBM's ResNet32.
    #[serde(rename = "resnet32")]
    ResNet32,
    /// IGEBM's ResNet32Large.
    #[serde(rename = "resnet32-large")]
    ResNet32Large,
    /// IGEBM's ResNet32Wider.
    #[serde(rename = "resnet32-wider")]
    ResNet32Wider,
    /// IGEBM's ResNet128.
    #[serde(rename = "resnet128")]
    ResNet128,
    /// A U-Net of residual blocks, of whose output `head` makes an energy.
    Unet,
    /// Convolutions of several scales, each averaged over space.
    Pooled,
    /// E(x, z) of images x and latent vectors z: a generator of images, and a prior of z; for `objective.kind` `latent`.
    Latent,
    /// E(x, z) as one network of both; for `objective.kind` `latent`.
    LatentFree,
}

/// Networks that have the same keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Strided convolutions.
    Strided,
    /// Residual blocks.
    Residual,
    /// A U-Net.
    UNet,
    /// Averages of several scales.
    Pooled,
    /// A generator and a prior.
    Latent,
    /// One network of images and latent vectors.
    LatentFree,
}

/// The networks that have a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owners {
    families: &'static [Family],
    pub(super) in_words: &'static str,
}

impl Owners {
    pub(super) const PUBLISHED: Self = Self::new(
        &[Family::Strided, Family::Residual],
        "uva, mnist, dsprites and residual networks",
    );
    pub(super) const STRIDED: Self = Self::new(&[Family::Strided], "uva, mnist and dsprites");
    pub(super) const RESIDUAL: Self = Self::new(&[Family::Residual], "residual networks");
    pub(super) const UNET: Self = Self::new(&[Family::UNet], "unet");
    pub(super) const STAGED: Self = Self::new(&[Family::UNet, Family::Pooled], "unet and pooled");
    pub(super) const WIDE: Self = Self::new(
        &[
            Family::UNet,
            Family::Pooled,
            Family::Latent,
            Family::LatentFree,
        ],
        "unet and pooled, latent and latent-free",
    );
    pub(super) const LATENT: Self = Self::new(
        &[Family::Latent, Family::LatentFree],
        "latent and latent-free",
    );
    pub(super) const GENERATED: Self = Self::new(&[Family::Latent], "latent");
    pub(super) const ATTENTIVE: Self = Self::new(
        &[Family::Residual, Family::UNet],
        "residual networks and unet",
    );

    const fn new(families: &'static [Family], in_words: &'static str) -> Self {
        Self { families, in_words }
    }

    pub(super) fn has(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}

impl NetworkName {
    /// Filters of the first layer in the published network, for ResNet32Wider those of CIFAR-10; 0 where
    /// the network has widths instead.
    pub(super) fn published_filters(self) -> usize {
        match self {
            Self::Uva => 16,
            Self::Mnist | Self::Dsprites | Self::ResNet128 => 64,
            Self::ResNet32 | Self::ResNet32Large => 128,
            Self::ResNet32Wider => 192,
            Self::Unet | Self::Pooled => 0,
            Self::Latent | Self::LatentFree => 0,
        }
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Uva | Self::Mnist | Self::Dsprites => Family::Strided,
            Self::ResNet32 | Self::ResNet32Large | Self::ResNet32Wider | Self::ResNet128 => {
                Family::Residual
            }
            Self::Unet => Family::UNet,
            Self::Pooled => Family::Pooled,
            Self::Latent => Family::Latent,
            Self::LatentFree => Family::LatentFree,
        }
    }
}
