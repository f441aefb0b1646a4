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
    /// Experts on whitened patches, more of them than dimensions (Teh et al. 2003).
    Experts,
    /// Dense layers of `widths` units.
    Mlp,
    /// The network of the classifiers of grey images by which samples are compared with data.
    Features,
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
    /// Experts on whitened patches.
    Experts,
    /// Dense layers.
    Mlp,
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
        "uva, mnist, dsprites, features and residual networks",
    );
    pub(super) const STRIDED: Self =
        Self::new(&[Family::Strided], "uva, mnist, dsprites and features");
    pub(super) const UNET: Self = Self::new(&[Family::UNet], "unet");
    pub(super) const STAGED: Self = Self::new(&[Family::UNet, Family::Pooled], "unet and pooled");
    pub(super) const WIDE: Self = Self::new(
        &[
            Family::UNet,
            Family::Pooled,
            Family::Mlp,
            Family::Latent,
            Family::LatentFree,
        ],
        "unet, pooled, mlp, latent and latent-free",
    );
    pub(super) const DROPPING: Self = Self::new(
        &[Family::Residual, Family::Mlp],
        "residual networks and mlp",
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

    /// Those whose layers have a nonlinearity and may be given classes.
    pub(super) const LAYERED: Self = Self::new(
        &[
            Family::Strided,
            Family::Residual,
            Family::UNet,
            Family::Pooled,
            Family::Mlp,
            Family::Latent,
            Family::LatentFree,
        ],
        "networks of layers, which experts are not",
    );
    pub(super) const EXPERTS: Self = Self::new(&[Family::Experts], "experts");

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
            Self::Features => 32,
            Self::Mnist | Self::Dsprites | Self::ResNet128 => 64,
            Self::ResNet32 | Self::ResNet32Large => 128,
            Self::ResNet32Wider => 192,
            Self::Unet | Self::Pooled | Self::Experts | Self::Mlp => 0,
            Self::Latent | Self::LatentFree => 0,
        }
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Uva | Self::Mnist | Self::Dsprites | Self::Features => Family::Strided,
            Self::ResNet32 | Self::ResNet32Large | Self::ResNet32Wider | Self::ResNet128 => {
                Family::Residual
            }
            Self::Unet => Family::UNet,
            Self::Pooled => Family::Pooled,
            Self::Experts => Family::Experts,
            Self::Mlp => Family::Mlp,
            Self::Latent => Family::Latent,
            Self::LatentFree => Family::LatentFree,
        }
    }
}
