"""The JSON API that the pages and other programs use, mounted at /oneroster in Airflow's server.

`app.create_app` puts it together. Every route names who may use it (`permissions`), answers with a
model (`models`), and fails with a problem (`problems`). What is asked of the product goes to
`oneroster_sync`, what is asked of Airflow to `bridge`; no route decides anything by itself.
"""
