"""Tasks, kept in memory: an ordinary Flask application that knows nothing of Pelton."""

from itertools import count
from threading import Lock

from flask import Flask, jsonify, request, url_for

app = Flask(__name__)
lock, numbers, tasks = Lock(), count(1), {}


@app.get("/tasks")
def list_tasks():
    with lock:
        return jsonify(list(tasks.values())[-100:])


@app.post("/tasks")
def add_task():
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not isinstance(body.get("title"), str):
        return jsonify(error='want {"title": "..."}'), 400
    with lock:
        task = {"id": next(numbers), "title": body["title"]}
        tasks[task["id"]] = task
    return jsonify(task), 201, {"Location": url_for("get_task", number=task["id"])}


@app.get("/tasks/<int:number>")
def get_task(number):
    with lock:
        task = tasks.get(number)
    return jsonify(task) if task else (jsonify(error="no such task"), 404)


@app.delete("/tasks/<int:number>")
def delete_task(number):
    with lock:
        task = tasks.pop(number, None)
    return ("", 204) if task else (jsonify(error="no such task"), 404)
