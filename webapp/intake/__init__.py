"""The door for plain Celery: messages of queue `arc` become jobs, by the same rules as HTTP.

message     what a Celery message asks for
intake      takes messages in their order, has them accepted, or writes down why they were refused
monitors    tells Flower what became of them
"""
