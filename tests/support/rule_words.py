"""When each alert begins and ends, in words: what the manual and rules.yml say, from the constants.

A rule that has no words here fails the tests of both.
"""

import lmcache_frontend as lf

PAST, LATELY, WITHIN = map(
    lf.spoken_time, (lf.BASE_SECONDS, lf.RECENT_SECONDS, lf.FLAPPING_SECONDS)
)
HALVED = lf.THRESHOLDS["hit_rate_halved"]


def spoken_rate(rate):
    """A rate per second; below one it is given per minute."""
    scale, unit = (1, "second") if rate >= 1 else (60, "minute")
    return f"{lf.spoken_number(rate * scale)} per {unit}"


def rising(name):
    """The words for a rule about one of RISING."""
    limit, figure = lf.THRESHOLDS[name], lf.RISING[name]
    spoken = lf.spoken_number if limit.unit == "count" else spoken_rate
    begins = (
        "%s: at least %s and %g times the mean of the %s before, both now and over the last %s%s"
    )
    traffic = ", with traffic" if figure.needs_requests else ""
    values = (figure.noun, spoken(limit.least), limit.factor, PAST, LATELY, traffic)
    ends = "below %s, or below %g times that mean" % (spoken(limit.end_least), limit.end_factor)
    return begins % values, ends


WHEN = {
    "node_down": ("two polls in a row without a response", "the node responds"),
    "node_flapping": (
        f"{lf.FLAPPING_BEGINS} changes between up and down within {WITHIN}",
        f"fewer than {lf.FLAPPING_ENDS} changes within that time",
    ),
    "node_restarting": (
        f"{lf.RESTARTING_BEGINS} restarts within {WITHIN}",
        f"no restart for {WITHIN}",
    ),
    "node_degraded": (
        "it responds, but reports a problem that no other rule covers, or takes more than"
        f" {lf.SLOW_RESPONSE:g} s",
        f"it has no such problem and responds in less than {lf.SLOW_ENDS:g} s",
    ),
    "hit_rate_halved": (
        f"lookup hit rate below {HALVED.factor:g} times the median of the {PAST}"
        f" before (at least {lf.MIN_RATE_BEFORE:.0%}), both now and over the last"
        f" {LATELY}, at {HALVED.least:g} tokens/s or more",
        f"at least {HALVED.end_factor:g} times that median, or less traffic",
    ),
    **{name: rising(name) for name in lf.RISING},
    "remote_stores_stalled": (
        f"stores continue, but nothing reached the remote backend or L2 for"
        f" {LATELY}, unlike in the {PAST} before",
        "data is written again, or nothing is stored",
    ),
    "remote_failing": (
        f"{lf.MIN_FAILED_PINGS} failed pings in a row, or an unhealthy L2 adapter",
        "a ping succeeds, or the adapter is healthy",
    ),
    "thread_stalled": ("a critical periodic thread is not running", "all critical threads run"),
    "config_drift": (
        "workers of one instance differ in a setting other than addresses, paths and identities;"
        f" for {lf.spoken_time(lf.ROLLOUT_SECONDS)} after a setting was changed on one of them"
        " through this frontend, they may differ in it",
        "their settings match",
    ),
    "version_mix": ("LMCache nodes run different versions", "all run the same version"),
    "frontend_overloaded": (
        f"{lf.MIN_SLOW_OF} or more nodes are polled directly and at least"
        f" {lf.OVERLOADED_BEGINS:.0%} of them are slow; slow nodes then get no alerts of their own",
        f"less than {lf.OVERLOADED_ENDS:.0%} of them are slow",
    ),
    "controller_misses_workers": (
        "fewer workers are registered with the controllers than are up with enable_controller",
        "all of them are registered",
    ),
}

# Alerts about what surrounds the nodes.
SERVICES = {
    "source_away": (
        "a source of nodes (supplier, coordinator, DNS) cannot be read; its last nodes stay",
        "it can be read",
    ),
    "not_a_frontend": ("a proxy node responds, but reports no nodes", "it reports nodes"),
    "name_taken": (
        "two sources use the same name or address; the later node is left out",
        "the name or address is free",
    ),
    "history_file": ("the history file cannot be opened or written", "it is written"),
    "alertmanager_away": ("an Alertmanager does not accept the alerts", "it accepts them"),
}
