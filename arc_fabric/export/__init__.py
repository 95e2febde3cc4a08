"""Branches as files of other tools: LeRobot datasets, Rerun recordings, tables of actions and scores.

episode      a branch as all of them take it, frame by frame with its actions
lerobot      a LeRobot dataset v3.0
features     what its columns are
measures     its statistics
recording    a Rerun recording, all branches in one
actions      a table of actions and scores, CSV or Parquet

pyarrow and rerun-sdk come with the extra `export`; nothing here needs torch, Redis or HTTP.
"""
