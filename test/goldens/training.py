"""AdamW with clipping, schedules and losses, by PyTorch.

    pip install -r test/goldens/requirements.txt
    python test/goldens/training.py

writes test/goldens/training/{optimizer,losses}.json. Parameters move in float32 as a run's do; the losses
and their gradients are float64.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).parent / "training"
STEPS, PEAK, WARMUP = 50, 0.02, 8


def rounded(t):
    return [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]


def optimizer():
    torch.manual_seed(7)
    matrix, vector = torch.randn(5, 7), torch.randn(7)
    start = {"w": rounded(matrix), "b": rounded(vector)}
    w, b = (torch.nn.Parameter(t.clone()) for t in (matrix, vector))
    groups = [{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.95), eps=1e-8)
    up = torch.optim.lr_scheduler.LinearLR(adam, 1e-9, 1.0, WARMUP)
    down = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS - WARMUP)
    rates = torch.optim.lr_scheduler.SequentialLR(adam, [up, down], [WARMUP])
    steps = []
    for i in range(STEPS):
        # Some steps are clipped and some are not.
        size = 3.0 if i % 3 == 0 else 0.05
        w.grad, b.grad = size * torch.randn(5, 7), size * torch.randn(7)
        given = {"w": rounded(w.grad), "b": rounded(b.grad)}
        norm = torch.nn.utils.clip_grad_norm_([w, b], 1.0)
        rate = adam.param_groups[0]["lr"]
        adam.step()
        rates.step()
        steps.append(
            {"gradients": given, "norm": norm.item(), "rate": rate, "w": rounded(w), "b": rounded(b)}
        )
    return {"peak": PEAK, "warmup": WARMUP, "start": start, "steps": steps}


def losses():
    torch.manual_seed(11)
    tokens, vocab = 6, 19
    student = (2 * torch.randn(tokens, vocab)).double().requires_grad_()
    teacher = (2 * torch.randn(tokens, vocab)).double()
    mask = torch.tensor([1, 0, 1, 1, 0, 1])
    labels = torch.randint(vocab, (tokens,))
    a = torch.randn(2, 3, 4, 4).double().requires_grad_()
    m = torch.randn(2, 3, 4, 4).double()

    def kl(inputs, target, temperature):
        per_token = F.kl_div(
            F.log_softmax(inputs / temperature, -1),
            F.log_softmax(target / temperature, -1),
            reduction="none",
            log_target=True,
        ).sum(-1)
        return per_token[mask == 1].mean()

    def case(value, by):
        (gradient,) = torch.autograd.grad(value, by)
        return {"value": value.item(), "gradient": rounded(gradient)}

    return {
        "tokens": tokens,
        "vocab": vocab,
        "student": rounded(student),
        "teacher": rounded(teacher),
        "mask": mask.tolist(),
        "labels": labels.tolist(),
        "matrices": {"student": rounded(a), "teacher": rounded(m)},
        "crossEntropy": case(F.cross_entropy(student[mask == 1], labels[mask == 1]), student),
        "forwardKL": case(kl(student, teacher, 1.0), student),
        "forwardKL2": case(kl(student, teacher, 2.0), student),
        "reverseKL": case(kl(teacher, student, 1.0), student),
        "reverseKL2": case(kl(teacher, student, 2.0), student),
        "matrixOrientation": case(torch.linalg.matrix_norm(a - m).mean(), a),
        "hiddenAlignment": case((student - teacher)[mask == 1].norm(dim=-1).mean(), student),
    }


OUT.mkdir(exist_ok=True)
for name, made in {"optimizer": optimizer(), "losses": losses()}.items():
    (OUT / f"{name}.json").write_text(json.dumps(made) + "\n")
