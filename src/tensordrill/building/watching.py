"""A set-up that watches how an answer trains a model: what is cleared, what moves, in which mode it runs.

The answer is a function `train`. It runs once, when something about it is first asked.
"""

# It watches through torch's public hooks. Each backward pass gives a leaf its gradient, and .grad then equals it only
# where it had been cleared. A layer with two modes notes in which one it ran whenever a gradient comes
# back through it. A model that the answer makes is met as its parameters are registered.
WATCH = """
import warnings


class _Watch:
    def __init__(self, *arguments):
        self.arguments, self.first, self.coming = arguments, {{}}, {{}}
        self.held, self.piled, self.modes, self.ran, self.predicted_in_train = {{}}, set(), [], False, False
        self.kept = [a.clone() for a in self.data()]

    def hold(self, module, name, p):
        def comes(gradient):
            self.first.setdefault(p, p.detach().clone())
            self.coming.setdefault(p, []).append(gradient)

        def has_come(p):
            if not torch.equal(p.grad, self.coming[p][-1]):
                self.piled.add(p)

        if p is not None and p.requires_grad and not nn.parameter.is_lazy(p):
            self.held[p] = name
            p.register_hook(comes)
            p.register_post_accumulate_grad_hook(has_come)

    def note(self, module, inputs, output):
        mode = module.training
        if mode and len(output) == len(_x_new):
            self.predicted_in_train = True
        if output.requires_grad:
            output.register_hook(lambda gradient: self.modes.append(mode))

    def data(self):
        lists = [a if isinstance(a, list) else [a] for a in self.arguments]
        flat = [tensor for each in lists for pair in each for tensor in (pair if isinstance(pair, tuple) else [pair])]
        return [tensor for tensor in flat if isinstance(tensor, torch.Tensor)]

    def returned(self):
        if not self.ran:
            self.ran = True
            handle = nn.modules.module.register_module_parameter_registration_hook(self.hold)
            try:
                with warnings.catch_warnings(record=True) as self.warned:
                    warnings.simplefilter("always")
                    self.gave = train(*self.arguments)
            finally:
                handle.remove()
        return self.gave

    def model(self):
        gave = self.returned()
        return self.arguments[0] if isinstance(self.arguments[0], nn.Module) else gave

    def moved(self, p):
        return p in self.first and not torch.equal(self.first[p], p.detach())

    def trainees(self):
        # A copy, as of the best epoch, was trained as what it was copied from.
        own = list(self.model().parameters())
        return own if not self.held or any(p in self.held for p in own) else list(self.held)

    def cleared(self):
        return not any(p in self.piled and self.moved(p) for p in self.trainees())

    def trained(self):
        # torch.func passes by the leaves. What the model has learned must do then.
        weights = [p for p in self.trainees() if p.dim() > 1]
        stayed = ["as it was" if p in self.first else "without gradient" for p in weights]
        return ["trained" if self.moved(p) or not self.first else other for p, other in zip(weights, stayed)]

    def passes(self):
        return max(map(len, self.coming.values()), default=0)

    def bends(self):
        a, b = _x_new.chunk(2)
        return not torch.allclose(2 * self.outputs((a + b) / 2), self.outputs(a) + self.outputs(b))

    def broadcast(self):
        self.model()
        return any("target size" in str(one.message) for one in self.warned)

    def untouched(self):
        return all(map(torch.equal, self.kept, self.data()))

    def learned(self):
        out = self.outputs(_x_new)
        return bool({score})

    def predicts(self):
        # Rows that are run one by one differ in the last bits.
        got, out = self.returned(), self.outputs(_x_new)
        return got.shape == out.shape and torch.allclose(got.to(out), out)

    def outputs(self, x):
        model = self.model()
        training = [module.training for module in model.modules()]
        model.eval()
        with torch.no_grad():
            out = model(x)
        for module, mode in zip(model.modules(), training):
            module.training = mode
        return out
"""
POINTS = """
def _points(count):
    x = 4 * torch.rand(count, 2) - 2
    distance = ((x - torch.tensor({centre})) / torch.tensor({axes})).square().sum(1)
    return x, {y}


x, y = _points(128)
batches = list(zip(x.split(64), y.split(64)))
_x_new, _y_new = _points(400)
"""
