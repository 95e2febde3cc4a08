"""Evaluations: what to try from a checkpoint, how to judge what comes of it, and with what certainty.

plan        what is tried: a grid or a list of variants, each named by its number
scores      a branch as a scorer sees it, a score as it answers it
scorers     the scorers by name: built in, by entry point, by `module:function`
statistics  intervals and paired tests
results     rows, their summary, files of them
comparison  two runs against one another
report      one HTML page
"""
