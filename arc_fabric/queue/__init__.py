"""The job queue: a bare Celery app, and the one way in which a job is accepted and its ticket sent.

    app         the Celery app: web, workers and scripts send through it
    envelope    a ticket's message as Celery makes it
    transport   Celery's way to Redis, which waits where Redis refuses writes
    dispatch    Dispatcher: accept a request (ledger and ticket in one script), send a ticket again
    inbox       Inbox: what scripts sent with Celery alone, until it is accepted or refused

The only room of `arc_fabric` that knows Celery; nothing here knows what a worker does.
"""
