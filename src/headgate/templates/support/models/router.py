"""The router: decides what a customer wants, so that the app knows where a question goes.

`headgate train models/router` runs `fit` on the locked version of the dataset, measures the result on rows
that `fit` has not seen, and records the model in headgate.lock. The features are fitted together with the
classifier and are saved with it, so that serving computes exactly what training computed.
"""

from headgate.train import Pipeline

router = Pipeline(dataset="data/utterances", target="intent", segments=["channel"])


@router.fit
def fit(train, params):
    """Return a scikit-learn pipeline fitted on the texts and intents of `train`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline as SklearnPipeline

    words = TfidfVectorizer(
        lowercase=True,
        token_pattern=r"[a-zA-Z0-9]+",
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=1,
    )
    classifier = LogisticRegression(C=20, max_iter=2000)
    model = SklearnPipeline([("words", words), ("classifier", classifier)])
    return model.fit(train.column("text"), train.column("intent"))
