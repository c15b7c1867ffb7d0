"""Figures behind the synthetic Netherlands: published ones with their source, and assumptions.

Published figures come from several studies and registers of different scope, which contradict each
other in places. The world has one definition of the population in all years; where figures
conflict it follows the one named beside the constant. Whatever is marked *assumed* has no published
figure behind it, and was chosen so that the published ones come out.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mse.data.datasets import load_dataset
from mse.simulate.cells import Cells, Margin, codes_of, rake, read_dependence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import BoolArray, FloatArray, IntArray

Study: TypeAlias = Literal["2017", "2021"]

YEARS = tuple(range(2010, 2020))
#: The years of the pooled table: the overlaps of the lists are calibrated in these.
POOLED_YEARS = YEARS[:6]
#: Lists of the pooled table (dataset ``netherlands``), in its order.
LISTS = (
    "inspectorate",
    "border_police",
    "residential_care",
    "police",
    "regional_coordinators",
    "others",
)
#: Investigative services; the other lists are what is called care organizations here.
INVESTIGATIVE = ("inspectorate", "border_police", "police")
COVARIATES = {
    "year": YEARS,
    "form": ("sexual_domestic", "sexual_cross_border", "labor_criminal", "other"),
    "sex": ("female", "male"),
    "age": ("adult", "minor"),
    "nationality": ("dutch", "other"),
}

# Population --------------------------------------------------------------------------------------

#: Victims a year. About 6,250 in 2014 and 2015, communicated as 5,000 to 7,500: National
#: Rapporteur, news 28-09-2017. Rise 2010-2012, fall to 2017, rise again, 2019 near 2010: van Dijk,
#: Cruyff & van der Heijden (2021), WODC. The figure of each single year is assumed.
TOTALS_2017 = (5500, 6300, 7300, 6800, 6400, 6100, 5700, 5300, 5500, 5600)
#: The repeat study: 2018 and 2019 about 5,000 a year; sexual exploitation over 6,500 in 2012 and
#: about 2,000 from 2016 (WODC 2021). The figure of each single year is assumed.
TOTALS_2021 = (5100, 6400, 7500, 6900, 6000, 5000, 4300, 4000, 4800, 5200)
#: Share of sexual exploitation by year in the repeat study: see `TOTALS_2021`; about half in 2018-19.
SEXUAL_2021 = (0.76, 0.82, 0.875, 0.80, 0.70, 0.58, 0.48, 0.48, 0.46, 0.46)

#: Forms of exploitation: domestic sexual 46 %, cross-border sexual 21 % (van Dijk et al. 2017, press
#: on the brief); labor or criminal 1,400 of 6,250 (National Rapporteur, brochure July 2020); the
#: rest is what these leave.
FORMS = (0.46, 0.21, 0.224, 0.106)
#: Male by form, assumed, so that it is about 1 in 6 of all (press on the brief, 2017), and in the
#: repeat study about half in 2018-19 (WODC 2021).
MALE: dict[Study, tuple[float, ...]] = {
    "2017": (0.04, 0.05, 0.50, 0.25),
    "2021": (0.08, 0.08, 0.85, 0.80),
}
#: Minors by form. 1,320 of some 2,900 in domestic sexual exploitation (National Rapporteur 2017;
#: fact sheet Victims Monitoring Report 2014-2018); others assumed.
MINOR = (0.455, 0.08, 0.08, 0.08)
#: Dutch by form: assumed.
DUTCH = (0.80, 0.03, 0.20, 0.30)

# Registers ---------------------------------------------------------------------------------------

#: Registered persons, older scope: 2011 1,222; 2012 1,711; 2014 1,561; 2015 1,321 (CoMensha, in US
#: Trafficking in Persons reports and National Rapporteur). 2010 and 2013 share what is left of the
#: 8,234 of the pooled table; how is assumed.
REGISTERED = (985, 1222, 1711, 1434, 1561, 1321)
#: Reports of care organizations. Over 550 a year in 2014-2017 (fact sheet 2014-2018), and the same
#: in 2018 had they gone on; 2010-2013 share what is left of the pooled totals of their three lists,
#: and 2019 fits 1,334 registered persons: both assumed.
CARE = (190, 220, 290, 300, 563, 563, 555, 555, 555, 365)
#: Reports of the investigative services from 2016 on, newer scope (CoMensha, as above), by year.
#: In 2010-2015 they share what care leaves of the registered persons, in proportion to the pooled
#: totals of their lists.
LATER = {
    "inspectorate": (38, 38, 75, 46),
    "border_police": (12, 21, 12, 10),
    "police": (462, 432, 530, 952),
}
#: What is left of 550 reports a year in 2018: 150 (fact sheet 2014-2018).
REMAINING_2018 = 150 / 550
#: Two pairs of lists have no overlap. Nothing is impossible in the world, so half a person is
#: expected there.
LEAST_OVERLAP = 0.5

#: Composition of each list: forms; male, relative to what these forms have in the population; minor;
#: Dutch. Assumed, so that domestic sexual exploitation has some 330 registrations in 2014-15, among
#: them 11 % of 1,320 minors, and loses some 60 % when care organizations drop out (fact sheet
#: 2014-2018).
COMPOSITION = {
    "inspectorate": ((0.01, 0.03, 0.92, 0.04), 1.0, 0.03, 0.10),
    "border_police": ((0.03, 0.60, 0.25, 0.12), 0.9, 0.04, 0.05),
    "residential_care": ((0.45, 0.30, 0.15, 0.10), 0.7, 0.30, 0.45),
    "police": ((0.13, 0.38, 0.32, 0.17), 0.8, 0.06, 0.25),
    "regional_coordinators": ((0.55, 0.25, 0.12, 0.08), 0.6, 0.40, 0.55),
    "others": ((0.35, 0.30, 0.20, 0.15), 0.9, 0.25, 0.35),
}


def dutch_cells(study: Study, dependence: Mapping[str, float]) -> Cells:
    """Calibrate the expected persons of the synthetic Netherlands, in all years.

    A log-linear model with all pairs of lists, lists by each covariate, and covariates by form of
    exploitation, calibrated to the margins above: a model with all two-way terms contains it. With odds
    ratios between lists, beyond those in the published overlaps, these change and other margins stay.
    """
    codes = codes_of(COVARIATES)
    margins = [*_population(study, codes), *_lists(study, codes)]
    start = np.ones((2 ** len(LISTS), codes.shape[1]))
    cells = rake(start, [*margins, *_overlaps(codes)])
    if dependence:
        factors = read_dependence(dependence, LISTS, COVARIATES, fewest_lists=2)
        cells = rake(cells * factors, margins)
    return Cells(LISTS, COVARIATES, cells)


def totals_by_form(study: Study) -> FloatArray:
    """Find the expected victims by year and form, shape (years, forms)."""
    forms = np.array(FORMS)
    if study == "2017":
        return np.outer(TOTALS_2017, forms)
    sexual = np.array(SEXUAL_2021)[:, None]
    parts = sexual * forms[:2] / forms[:2].sum(), (1 - sexual) * forms[2:] / forms[2:].sum()
    return np.asarray(np.array(TOTALS_2021, dtype=np.float64)[:, None] * np.hstack(parts))


def reports_by_year() -> FloatArray:
    """Find the expected registrations by list and year, shape (lists, years)."""
    pooled = np.diag(_pooled_overlaps())
    care = np.array([name not in INVESTIGATIVE for name in LISTS])
    early = len(POOLED_YEARS)
    # So many lists does a registered person stand on; the same in every year.
    memberships = np.array(REGISTERED) * pooled.sum() / load_dataset("netherlands").n_observed
    by_care = np.array(CARE[:early]) * pooled[care].sum() / sum(CARE[:early])
    reports = np.zeros((len(LISTS), len(YEARS)))
    reports[care, :early] = np.outer(pooled[care] / pooled[care].sum(), by_care)
    reports[~care, :early] = np.outer(pooled[~care] / pooled[~care].sum(), memberships - by_care)
    reports[care, early:] = np.outer(pooled[care] / pooled[care].sum(), CARE[early:])
    for name, figures in LATER.items():
        reports[LISTS.index(name), early:] = figures
    return reports


def _pooled_overlaps() -> FloatArray:
    overlaps = load_dataset("netherlands").overlaps()
    return np.asarray(overlaps.loc[list(LISTS), list(LISTS)], dtype=np.float64)


def _population(study: Study, codes: IntArray) -> list[Margin]:
    """Margins of the population: form by year, and each other covariate by form."""
    by_form = totals_by_form(study)
    year, form = codes[:2]
    margins = [Margin((), year * by_form.shape[1] + form, by_form.ravel())]
    not_dutch = 1 - np.array(DUTCH)
    for axis, share in ((2, MALE[study]), (3, MINOR), (4, not_dutch)):
        second = by_form.sum(axis=0) * np.array(share)
        target = np.column_stack([by_form.sum(axis=0) - second, second])
        margins.append(Margin((), form * 2 + codes[axis], target.ravel()))
    return margins


def _lists(study: Study, codes: IntArray) -> list[Margin]:
    """Margins of each list by each covariate."""
    margins = []
    for position, (name, reports) in enumerate(zip(LISTS, reports_by_year(), strict=True)):
        forms, relative, minor, dutch = COMPOSITION[name]
        male = relative * float(np.dot(forms, MALE[study]))
        shares = (forms, (1 - male, male), (1 - minor, minor), (dutch, 1 - dutch))
        targets = [reports, *(reports.sum() * np.array(share) for share in shares)]
        margins += [
            Margin((position,), groups, target)
            for groups, target in zip(codes, targets, strict=True)
        ]
    return margins


def _overlaps(codes: IntArray) -> list[Margin]:
    """Overlaps of the pooled table, to hold in its years."""
    overlaps = np.maximum(_pooled_overlaps(), LEAST_OVERLAP)
    pooled: BoolArray = codes[0] < len(POOLED_YEARS)
    everybody = np.zeros(codes.shape[1], dtype=np.int64)
    return [
        Margin(pair, everybody, overlaps[pair][None], pooled)
        for pair in combinations(range(len(LISTS)), 2)
    ]
