//! See a network's weights as one vector, and as named arrays.
//!
//! Optimizer, moving average and checkpoint work on the vector, in the order in which the module
//! visits its parameters: one tensor operation instead of one per layer.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use ebm_core::{each_piece, pieces_for};

/// The name and shape of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Path of the field, for example `convs.0.weight`.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// The type of the layer that it is a field of, for example `Dense`.
    pub layer: String,
}

impl ParameterSpec {
    /// Elements of the parameter.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Names and shapes of all parameters, in order.
pub fn specs(model: &impl Module) -> Vec<ParameterSpec> {
    #[derive(Default)]
    struct Visitor {
        path: Vec<String>,
        layers: Vec<String>,
        specs: Vec<ParameterSpec>,
    }
    impl ModuleVisitor for Visitor {
        fn enter_module(&mut self, name: &str, kind: &str) {
            if !is_choice(kind) {
                self.path.push(name.to_owned());
                self.layers
                    .push(kind.trim_start_matches("Struct:").to_owned());
            }
        }
        fn exit_module(&mut self, _: &str, kind: &str) {
            if !is_choice(kind) {
                self.path.pop();
                self.layers.pop();
            }
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.specs.push(ParameterSpec {
                name: self.path.join("."),
                shape: param.lazy_shape().to_vec(),
                layer: self.layers.last().cloned().unwrap_or_default(),
            });
        }
    }
    let mut visitor = Visitor::default();
    model.visit(&mut visitor);
    visitor.specs
}

/// Whether a module is a variant of an enum: its name is not a field's.
fn is_choice(kind: &str) -> bool {
    kind.starts_with("Enum:")
}

/// All parameters as one vector, untracked, `[parameters]`.
///
/// # Panics
/// If the model has no parameters.
pub fn flatten(model: &impl Module) -> Tensor<1> {
    struct Visitor(Vec<Tensor<1>>);
    impl ModuleVisitor for Visitor {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(untracked(param.val()).flatten(0, D as i32 - 1));
        }
    }
    let mut visitor = Visitor(Vec::new());
    model.visit(&mut visitor);
    Tensor::cat(visitor.0, 0)
}

/// All gradients as one vector, `[parameters]`; zeros for a parameter that the loss does not reach.
///
/// # Panics
/// If the model has no parameters.
pub fn flatten_gradients(model: &impl Module, gradients: &Gradients) -> Tensor<1> {
    struct Visitor<'a> {
        gradients: &'a Gradients,
        flat: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let gradient = value.grad(self.gradients);
            let gradient = gradient.unwrap_or_else(|| untracked(value).zeros_like());
            self.flat.push(gradient.flatten(0, D as i32 - 1));
        }
    }
    let flat = Vec::new();
    let mut visitor = Visitor { gradients, flat };
    model.visit(&mut visitor);
    Tensor::cat(visitor.flat, 0)
}

/// The model with its parameters at the beginning of a new tape.
pub fn trainable<M: Module>(model: M) -> M {
    struct Mapper;
    impl ModuleMapper for Mapper {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| untracked(old).autodiff().require_grad())
        }
    }
    model.map(&mut Mapper)
}

/// Σ θᵢgᵢ, `[1]`, on the tape of the model's parameters θ.
///
/// # Shapes
/// - `vector`: `[parameters]`, the gᵢ
pub(crate) fn dot(model: &impl Module, vector: &Tensor<1>) -> Tensor<1> {
    struct Visitor<'a> {
        vector: &'a Tensor<1>,
        taken: usize,
        terms: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let elements = param.lazy_shape().num_elements();
            let part = self.vector.clone().narrow(0, self.taken, elements);
            self.taken += elements;
            let weights = param.val().flatten(0, D as i32 - 1);
            self.terms.push((weights * part.autodiff()).sum());
        }
    }
    let mut visitor = Visitor {
        vector,
        taken: 0,
        terms: Vec::new(),
    };
    model.visit(&mut visitor);
    Tensor::cat(visitor.terms, 0).sum()
}

/// The model with the parameters of `vector`, each as trainable as before.
///
/// # Shapes
/// - `vector`: `[parameters]`
///
/// # Panics
/// If `vector` is not as long as the model has parameters.
pub fn unflatten<M: Module>(model: M, vector: &Tensor<1>) -> M {
    struct Mapper<'a> {
        vector: &'a Tensor<1>,
        taken: usize,
    }
    impl ModuleMapper for Mapper<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (vector, start) = (self.vector.clone(), self.taken);
            let elements = param.lazy_shape().num_elements();
            self.taken += elements;
            param.map(|old| {
                let new = vector.narrow(0, start, elements).reshape(old.shape());
                match (old.is_autodiff(), old.is_require_grad()) {
                    (true, require_grad) => new.autodiff().set_require_grad(require_grad),
                    (false, _) => new,
                }
            })
        }
    }
    let mut mapper = Mapper { vector, taken: 0 };
    let model = model.map(&mut mapper);
    let (taken, [given]) = (mapper.taken, vector.dims());
    assert_eq!(
        taken, given,
        "the model has {taken} parameters, the vector {given}"
    );
    model
}

/// Vectors over the parameters, computed from others element by element: on a CPU piece by piece on its
/// threads, so that what is computed in between stays in their caches.
///
/// # Shapes
/// - `vectors`, and what is returned: `[parameters]` each
pub(crate) fn each_element<const N: usize, const M: usize>(
    vectors: [Tensor<1>; N],
    compute: impl Fn([Tensor<1>; N]) -> [Tensor<1>; M] + Sync,
) -> [Tensor<1>; M] {
    /// Elements of a piece (64 KiB a vector).
    const PIECE: usize = 1 << 14;
    let (device, [elements]) = (vectors[0].device(), vectors[0].dims());
    let pieces = pieces_for(&device, elements, PIECE);
    if pieces.len() <= 1 {
        return compute(vectors);
    }
    let results = each_piece(&device, pieces, |piece| {
        let part = |vector: &Tensor<1>| vector.clone().narrow(0, piece.start, piece.len());
        compute(vectors.each_ref().map(part))
    });
    core::array::from_fn(|i| Tensor::cat(results.iter().map(|r| r[i].clone()).collect(), 0))
}

fn untracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}
