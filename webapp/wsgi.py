"""What gunicorn serves: `gunicorn -c python:webapp.gunicorn_conf webapp.wsgi:app`."""

from webapp.app import create_app

app = create_app()
