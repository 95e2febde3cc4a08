"""Does a model keep the contract? A conformance suite that you run on yours, with one call.

from arc_fabric.testing import check_model
report = check_model(make_model)                  # a function that makes a fresh model; raises NotConforming
print(report)                                     # what was checked, and the bytes that steps share

run      worlds on the model: begun, stepped, compared
checks   one function per promise; each says what is wrong and how to mend it
report   what was found
"""

from arc_fabric.testing.report import Finding, NotConforming, Report
from arc_fabric.testing.suite import check_model

__all__ = ["Finding", "NotConforming", "Report", "check_model"]
