"""The page as a workbench: evaluations, many branches, read-outs, export, authoring."""
